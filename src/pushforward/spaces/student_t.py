"""Noise with heavy tails."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import (
    Gen,
    State,
    align,
    dot,
    event_size,
    leaves,
    like,
    map_state,
    randn_like,
    require,
    time_dtype,
)

__all__ = ["StudentT"]


@dataclass(frozen=True)
class StudentT:
    r"""Multivariate Student-t law of a flat space: normal draws, each row divided by a random size of its own.

    .. math:: x = n \Big/ \sqrt{\chi^2_D / D}, \quad n \sim N(0, I_N), \qquad
              p(x) = \frac{\Gamma(\frac{N+D}2)}{\Gamma(\frac D2)\,(\pi D)^{N/2}}
                     \Big(1 + \frac{|x|^2}{D}\Big)^{-\frac{N+D}2}

    As the noise of a path it is PFGM++: the kernel of :math:`x_t = x_1 + \sigma_t x_0` is

    .. math:: p_r(x_t | x_1) \propto \big(|x_t - x_1|^2 + r^2\big)^{-(N+D)/2}, \qquad r = \sigma_t \sqrt D,

    the field of a charge at x1 in N + D dimensions at distance r from the data. D = 1 is the Poisson flow (PFGM), and
    D to infinity the Gaussian kernel of diffusion. Its equation dx/dsigma = (x - E[x1 | x_t]) / sigma is the velocity
    of the `Endpoint` head, and what `Velocity` learns; the prior is the path's own start, sigma_0 x0:

        Affine(VarianceExploding(0.002, 80), space=Euclidean(StudentT(2048)))

    On other schedules it is a heavy-tailed source. E[x0 | x_t] is no score then.

    Source: Xu et al., PFGM++: Unlocking the Potential of Physics-Inspired Generative Models (ICML 2023),
        https://arxiv.org/abs/2302.04265. Differs: the official code draws |x| from a Beta law clipped to
        [1e-3, 1 - 1e-3]; here the tails are whole.

    Args:
        degrees: D, the number of further dimensions (degrees of freedom), > 0, not necessarily whole. The variance,
            D / (D - 2), is infinite for D <= 2.

    Shapes: states `[B, *E]`; N counts all coordinates of a row, over all leaves of a mapping.
    Raises: `InvalidInput` for degrees that are not positive and finite (infinitely many: leave the space's noise
        normal).

    Example:
        >>> StudentT(1.0).log_prob(torch.zeros(1, 1)).exp() * torch.pi  # Cauchy
        tensor([1.0000])
    """

    degrees: float

    def __post_init__(self) -> None:
        require(
            0 < self.degrees < math.inf,
            f"StudentT needs a positive, finite number of degrees, got {self.degrees}; for infinitely many use "
            "Euclidean()",
        )

    def noise(self, shaped: State, *, generator: Gen = None) -> State:
        """Draws shaped like `shaped`; one size for all coordinates of a row."""
        first = leaves(shaped)[0]
        home = first.device if generator is None else generator.device
        half = torch.full((len(first),), self.degrees / 2, dtype=time_dtype(first), device=home)
        # torch.distributions draw from the global generator only
        size = (torch._standard_gamma(half, generator=generator) / half).rsqrt().to(first.device)
        normal = map_state(lambda p: randn_like(p, generator=generator), shaped)
        return map_state(lambda n: like(align(size, n) * n, n), normal)

    def log_prob(self, x: State) -> Tensor:
        """Log-density `[B]`, in nats."""
        n, d = event_size(x), self.degrees
        constant = math.lgamma((n + d) / 2) - math.lgamma(d / 2) - n / 2 * math.log(math.pi * d)
        return constant - (n + d) / 2 * (dot(x, x) / d).log1p()
