"""The energy distance."""

from jaxtyping import Float
from torch import Tensor

from pushforward.metrics._pairs import distance_sum
from pushforward.metrics._samples import Samples, pair

__all__ = ["energy_distance"]


def energy_distance(x: Samples, y: Samples) -> Float[Tensor, ""]:
    r"""Energy distance between the empirical laws of two sample sets (the square of a metric).

    .. math:: \mathcal{E}(x, y) = \frac{2}{nm}\sum_{ij}|x_i - y_j| - \frac1{n^2}\sum_{ij}|x_i - x_j|
              - \frac1{m^2}\sum_{ij}|y_i - y_j|

    The V-statistic, diagonals included: never negative, 0 only for equal empirical laws, and on the line
    :math:`2\int (F - G)^2`. Its root is the metric (scipy's `energy_distance` is that root); other texts use half of
    it. A 0-dim tensor, differentiable in both sets; `float(...)` gives the number.

    Floor: two sets of one law have mean :math:`(\frac1n + \frac1m)\,\mathrm{E}|X - X'|`, exactly.

    Source: Szekely & Rizzo, Energy statistics: A class of statistics based on distances (2013),
        https://doi.org/10.1016/j.jspi.2013.03.018.

    Args:
        x: Samples `[n, *E]`.
        y: Samples `[m, *E]`; m may differ from n.

    Up to 16 dimensions and without derivatives one compiled loop on the CPU, which holds no distances at all; otherwise
    blocks of distances, computed again in the backward pass.

    Memory: one block of distances at most, whatever n and m; also in the backward pass.
    Raises: `InvalidInput` for sets that cannot be compared.

    Example:
        >>> energy_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0]]))
        tensor(1.)
    """
    a, b = pair(x, y)
    n, m = len(a), len(b)
    within = distance_sum(a) / n**2 + distance_sum(b) / m**2
    # equal sets leave rounding, on either side of 0
    return (2 * distance_sum(a, b) / (n * m) - within).clamp_min(0).to(a.dtype)
