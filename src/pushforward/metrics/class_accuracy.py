"""Do class-conditional samples belong to their class?"""

from typing import Any

import torch

from pushforward.core import require
from pushforward.metrics._samples import Samples, as_vectors

__all__ = ["class_accuracy"]


def class_accuracy(
    x: Samples, labels: Samples, real: Samples, real_labels: Samples, *, classifier: Any = None
) -> float:
    r"""Share of class-conditional samples that a classifier of real data puts into the class that was asked for.

    .. math:: \frac1N \sum_{i=1}^{N} \mathbf 1[f(x_i) = c_i], \qquad f \text{ fitted on real pairs}

    It sees fidelity to the class and not variety: one perfect image per class scores 1.

    Floor: the accuracy on held-out real data, `class_accuracy(heldout, heldout_labels, real, real_labels)`. Samples may
    lie above it: they are often the easier cases.

    Source: the classification accuracy score turned round; see Ravuri & Vinyals, Classification Accuracy Score for
        Conditional Generative Models (2019), https://arxiv.org/abs/1905.10887, which trains on samples and tests on
        real data.

    Args:
        x: Samples `[N, *E]`, or features of them.
        labels: The classes they were asked for, integers `[N]`.
        real: Real data `[M, *E]`; the default's fit takes time of order M^2, 10,000 rows are plenty.
        real_labels: Their classes, integers `[M]`, at least two of them.
        classifier: A scikit-learn classifier, cloned and fitted here; None for an RBF support vector machine with
            gamma 0.02 and C 10, which suits pixels in [-1, 1].

    Raises: `InvalidInput` for sets, or labels, that do not fit.

    Example:
        >>> real, classes = torch.tensor([[-1.0], [1.0]]).repeat(10, 1), torch.tensor([0, 1]).repeat(10)
        >>> class_accuracy(torch.tensor([[0.9], [0.8], [-0.7], [-0.9]]), torch.tensor([1, 1, 0, 1]), real, classes)
        0.75
    """
    from sklearn.base import clone
    from sklearn.svm import SVC

    a, b = (z.detach().cpu().numpy() for z in as_vectors((x, "x"), (real, "real")))
    asked, known = (torch.as_tensor(c).cpu() for c in (labels, real_labels))
    for c, rows, name in ((asked, a, "labels"), (known, b, "real_labels")):
        require(
            c.shape == (len(rows),) and not c.is_floating_point(),
            f"{name} is {c.dtype} of shape {list(c.shape)}, expected integers of shape [{len(rows)}] (one per row)",
        )
    require(len(known.unique()) >= 2, "real_labels holds a single class, expected at least two")
    model: Any = SVC(C=10.0).set_params(gamma=0.02) if classifier is None else clone(classifier)
    return float((model.fit(b, known.numpy()).predict(a) == asked.numpy()).mean())
