"""The maximum mean discrepancy."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.metrics._pairs import pair_sum
from pushforward.metrics._samples import Samples, pair

__all__ = ["mmd"]

_MEDIAN_ROWS = 1000  # rows of each set that the median heuristic looks at


def mmd(x: Samples, y: Samples, bandwidth: float | tuple[float, ...] | None = None) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy with Gaussian kernels, unbiased.

    .. math:: \mathrm{MMD}^2 = \frac{1}{n(n-1)}\sum_{i\ne j} k(x_i, x_j) + \frac{1}{m(m-1)}\sum_{i\ne j} k(y_i, y_j)
              - \frac{2}{nm}\sum_{ij} k(x_i, y_j), \qquad k(x, y) = \mathrm{mean}_h\, e^{-|x-y|^2/2h^2}

    The U-statistic: its mean is the squared discrepancy of the laws, so it goes below 0 when they are close. A 0-dim
    tensor, differentiable in both sets (the median heuristic is held constant); `float(...)` gives the number.

    Floor: two sets of one law have mean 0 and a standard deviation of order 1/n; `with_floor` gives one draw of it.

    Source: Gretton et al., A Kernel Two-Sample Test (JMLR 2012), https://jmlr.org/papers/v13/gretton12a.html.

    Args:
        x: Samples `[n, *E]`, n >= 2.
        y: Samples `[m, *E]`, m >= 2.
        bandwidth: h > 0 in the units of the data, or several; None for the median distance within the pooled samples
            (at most 1,000 evenly spaced rows of each). Fix it when values are to be compared with each other.

    Raises: `InvalidInput` for sets that cannot be compared, or when more than half of all distances are 0.

    Example:
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> bool(mmd(x, x + 3.0) > 0.5)
        True
    """
    a, b = pair(x, y)
    n, m = len(a), len(b)
    require(min(n, m) >= 2, f"x has {n} and y {m} rows, expected at least 2 in each (pairs within each set)")
    if bandwidth is None:
        widths: tuple[float, ...] = (_median_distance(a.detach(), b.detach()),)
        require(widths[0] > 0, "the median distance between the samples is 0; pass a bandwidth")
    else:
        widths = bandwidth if isinstance(bandwidth, tuple) else (bandwidth,)
        require(len(widths) > 0 and min(widths) > 0, f"bandwidth is {bandwidth}, expected positive numbers")

    def kernel(r: Tensor) -> Tensor:
        return torch.stack([(-0.5 * (r / h) ** 2).exp() for h in widths]).mean(0)

    within = pair_sum(kernel, a) / (n * (n - 1)) + pair_sum(kernel, b) / (m * (m - 1))
    return (within - 2 * pair_sum(kernel, a, b) / (n * m)).to(a.dtype)


def _median_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    pool = torch.cat([z[:: -(-len(z) // _MEDIAN_ROWS)] for z in (x, y)])
    return float(torch.pdist(pool).median())
