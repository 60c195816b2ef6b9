"""The Frechet distance between fitted Gaussians."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.metrics._samples import Samples, as_samples, as_vectors

__all__ = ["frechet"]


def frechet(x: Samples, y: Samples, features: Callable[[Tensor], Tensor] | None = None) -> float:
    r"""Squared Frechet distance between Gaussians fitted to features of two sample sets.

    .. math:: d^2 = |m_x - m_y|^2 + \operatorname{tr}\!\big(S_x + S_y - 2\,(S_x^{1/2} S_y S_x^{1/2})^{1/2}\big)

    With `features` an Inception network this is the FID, which is quoted squared, as here; it is W_2^2 of the fitted
    Gaussians. Moments in float64 with 1/(n - 1); roots by eigen-decomposition of the symmetric factors, and the last
    trace as the sum of singular values of :math:`S_x^{1/2} S_y^{1/2}`, so that rank-deficient covariances (fewer
    samples than features) lose no digits and give no complex numbers.

    Floor: it is biased upwards; for n, m large against the number F of features, two sets of N(0, I) give on average
    :math:`(\frac1n + \frac1m)(F + \frac{F(F+1)}{4})` (derived: to second order the covariance part is
    :math:`\frac14 |S_x - S_y|^2`). Compare only figures at equal n and m.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (2017),
        https://arxiv.org/abs/1706.08500; Dowson & Landau, The Frechet distance between multivariate normal
        distributions (1982), https://doi.org/10.1016/0047-259X(82)90077-X.

    Args:
        x: Samples `[n, *E]`, n >= 2.
        y: Samples `[m, *E]`, m >= 2.
        features: Maps samples `[N, *E]` to features `[N, *F]`; None for the entries themselves. It gets a whole set at
            once, and batches it if it must.

    Raises: `InvalidInput` for sets, or features, that cannot be compared.

    Example:
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(frechet(x, x + 2.0), 4)
        12.0
    """
    if features is not None:
        with torch.no_grad():
            x, y = features(as_samples(x, "x")), features(as_samples(y, "y"))
    a, b = as_vectors((x, "x" if features is None else "features(x)"), (y, "y" if features is None else "features(y)"))
    require(min(len(a), len(b)) >= 2, f"x has {len(a)} and y {len(b)} rows, expected at least 2 in each (a covariance)")
    (mean_a, cov_a), (mean_b, cov_b) = _moments(a), _moments(b)
    cross = torch.linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    # rounding can carry equal sets below 0
    return max(float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross), 0.0)


def _moments(x: Float[Tensor, "n f"]) -> tuple[Float[Tensor, "f"], Float[Tensor, "f f"]]:
    x = x.detach().double()
    mean = x.mean(0)
    return mean, (x - mean).T @ (x - mean) / (len(x) - 1)


def _root(cov: Float[Tensor, "f f"]) -> Float[Tensor, "f f"]:
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
