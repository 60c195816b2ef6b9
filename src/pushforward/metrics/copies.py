"""How many samples are copies of training rows."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.metrics._pairs import blocks
from pushforward.metrics._samples import Samples, as_vectors

__all__ = ["copies"]


def copies(fake: Samples, train: Samples, heldout: Samples, quantile: float = 0.01) -> float:
    r"""Share of samples that lie closer to a training row than held-out data nearly ever do.

    .. math:: \frac1M \sum_{j=1}^{M} \mathbf 1\big[\min_i |y_j - x_i| \le \rho\big], \qquad
              \rho = \text{the `quantile` of } \min_i |z - x_i| \text{ over held-out } z

    Floor: for samples as new as the held-out rows, on average r / (H + 1), where the threshold is the r-th smallest of
    the H held-out distances, :math:`r = \lfloor \mathtt{quantile}\,(H + 1) \rfloor \ge 1`. Exact copies give 1.

    Source: a nearest-neighbour rule in the spirit of Meehan, Chaudhuri & Dasgupta, A Non-Parametric Test to Detect
        Data-Copying in Generative Models (2020), https://arxiv.org/abs/2004.05675, which compares ranks instead.

    Args:
        fake: Samples `[M, *E]`, or features of them.
        train: What the model was fitted on `[N, *E]`.
        heldout: Data of the same law that it never saw `[H, *E]`; H well above 1/quantile.
        quantile: Share of held-out rows that may lie as close, in (0, 1).

    Raises: `InvalidInput` for sets that cannot be compared.

    Example:
        >>> train, heldout = torch.randn(2, 200, 3)
        >>> copies(train[:50], train, heldout)
        1.0
    """
    require(0 < quantile < 1, f"quantile is {quantile}, expected a number between 0 and 1")
    y, x, z = (s.detach() for s in as_vectors((fake, "fake"), (train, "train"), (heldout, "heldout")))
    rank = max(1, int(quantile * (len(z) + 1)))  # a new row is below the r-th smallest of H with chance r / (H + 1)
    radius = _nearest(z, x).kthvalue(rank).values
    return float((_nearest(y, x) <= radius).double().mean())


def _nearest(y: Float[Tensor, "m d"], x: Float[Tensor, "n d"]) -> Float[Tensor, "m"]:
    """Distance of each row of `y` to the nearest row of `x`."""
    return torch.cat([r.amin(1) for _, r in blocks(y, x)])
