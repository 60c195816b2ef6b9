"""A field trained on one path, sampled with noise on another."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from pushforward.core import Field, Incompatible, require
from pushforward.fields.ends import require_affine
from pushforward.fields.flow_sde import FlowSDE
from pushforward.paths import Affine, Rescheduled
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["converted"]


def converted(field: Field, old: Affine, new: Affine, eps: float | Callable[[Tensor], Tensor] = 1.0) -> FlowSDE:
    r"""The stochastic flow on path `new` of a velocity that was trained on path `old`: nothing is retrained.

    .. math:: d\bar x = (\bar v + \epsilon_r \bar s)\, dr + \sqrt{2 \epsilon_r}\, dW, \qquad
              \bar x_r = k_r x_{t_r}, \qquad \bar s(x, r) = \frac1{k_r}\, s\!\left(\frac x{k_r}, t_r\right)

    with the new velocity, the time t_r of equal signal-to-noise ratio and the scale k_r of `Rescheduled`. Followed as a
    flow it arrives where the old field does; with noise the marginals are those of the new path for every eps, and only
    the spread of the rows on the way differs, which the paper finds wider on VP for a search over particles. Start from
    sigma_0 x0 of the new path; where its ratio at r = 0 is not 0 (VP: 0.0066) noise alone is off by that much. Where
    the new path is cleaner than the old one's end (sigma_1 > 0, as CondOT(0.05)) the field knows no score: what noise
    is left stays, the state is only rescaled, and eps is 0.

    Source: Kim et al., Inference-Time Scaling for Flow Models via Stochastic Generation and Rollover Budget Forcing
        (2025), https://arxiv.org/abs/2503.19385, interpolant conversion. There VP, `PowerLaw()` and, for K steps, the
        times :math:`r_i = 1 - \sqrt{1 - (i/K)^2}`; their time is mirrored.

    Args:
        field: Velocity on `old`, `field(x, t, cond)`; source standard normal and independent of the data.
        old: The path it was trained on; its schedule must know its inverse.
        new: The path to sample on.
        eps: Noise level on the new path, as in `FlowSDE`.

    Raises: `Incompatible` for paths with latent noise or other than normal noise, and as `Rescheduled` does.

    Example:
        >>> old, new = pf.paths.Affine(), pf.paths.Affine(pf.paths.VariancePreserving())
        >>> sde = converted(pf.oracles.reference_mixture().along(old), old, new, pf.fields.PowerLaw())
        >>> times = 1 - (1 - torch.linspace(0, 0.999, 11) ** 2).sqrt()
        >>> x = pf.solve(sde, torch.randn(5, 2), times, solver=pf.solvers.EulerMaruyama()).x
        >>> x.shape
        torch.Size([5, 2])
    """
    for name, path in (("old", old), ("new", new)):
        require_affine(path, "converted")
        require(
            has_normal_noise(path.space),
            f"{name} has the noise {noise_of(path.space)}, but the score is read from the velocity for normal noise "
            "only; use Rescheduled for the flow alone",
            Incompatible,
        )
    sde = FlowSDE(Rescheduled(field, old.schedule, new.schedule), eps, new)
    end = old.coeffs(torch.ones(1, dtype=torch.float64))
    if end.sigma <= 0:
        return sde
    cleanest = float(end.alpha / end.sigma)

    def known(t: Tensor) -> Tensor:
        c = new.coeffs(t)
        return torch.where(c.alpha <= cleanest * c.sigma, sde.level(t), 0.0)

    return replace(sde, eps=known)
