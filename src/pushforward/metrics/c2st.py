"""The classifier two-sample test."""

from typing import Any

import numpy as np

from pushforward.core import require
from pushforward.metrics._samples import Samples, pair

__all__ = ["c2st"]


def c2st(x: Samples, y: Samples, *, classifier: Any = None, folds: int = 5, seed: int = 0) -> float:
    r"""Classifier two-sample test: cross-validated accuracy of telling one set from the other.

    .. math:: \frac1{2n} \sum_{i=1}^{n} \mathbf 1[f_{-i}(x_i) = 0] + \mathbf 1[f_{-i}(y_i) = 1]

    where f_{-i} was trained on the folds without the row. One half: cannot be told apart. One: separated.

    Floor: 1/2, with a standard deviation of about :math:`1/\sqrt{8n}`.

    Source: Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests (ICLR 2017), https://arxiv.org/abs/1610.06545; the
        default network follows Lueckmann et al., Benchmarking Simulation-Based Inference (2021),
        https://arxiv.org/abs/2101.04653: two hidden layers of 10 d units, here at most 256, on standardised data,
        stopped early; below a few hundred rows pass something simpler.

    Args:
        x: Samples `[n, *E]`, n >= folds.
        y: Samples `[n, *E]`, as many.
        classifier: A scikit-learn classifier, cloned and fitted afresh in every fold; None for the network above.
        folds: Number of folds, >= 2.
        seed: Shuffles the folds and initialises the default network; an integer, because scikit-learn takes these.

    Raises: `InvalidInput` for sets that cannot be compared.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> c2st(x, x + 5.0, classifier=LogisticRegression())
        1.0
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    a, b = (z.detach().cpu().numpy() for z in pair(x, y))
    n = len(a)
    require(
        len(b) == n, f"x has {n} rows and y {len(b)}, expected equally many (chance is then 1/2); cut the longer one"
    )
    require(2 <= folds <= n, f"folds is {folds}, expected between 2 and the {n} rows of each set")
    model = _network(a.shape[1], seed) if classifier is None else classifier
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = cross_val_score(model, np.concatenate([a, b]), np.repeat([0, 1], n), cv=split, scoring="accuracy")
    return float(scores.mean())


def _network(d: int, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    width = min(10 * d, 256)
    return make_pipeline(
        StandardScaler(),
        MLPClassifier((width, width), max_iter=1000, early_stopping=True, n_iter_no_change=50, random_state=seed),
    )
