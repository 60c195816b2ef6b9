"""The noise that the path leaves on the data, cut off at the cell's edge."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Gen, event_size, rand, require
from pushforward.inference.dequantisation.base import Draws

__all__ = ["TruncatedNormal"]


@dataclass(frozen=True)
class TruncatedNormal:
    r"""Normal noise, cut off at the cell's edge.

    .. math:: y = x + s e, \quad e_i \sim N(0, 1) \text{ given } |e_i| \le \tau = \tfrac{h}{s}, \qquad
              \log q = -\tfrac12 |e|^2 - d\,\big(\tfrac12 \log 2\pi + \log Z + \log s\big), \quad
              Z = \mathrm{erf}\tfrac{\tau}{\sqrt 2}

    With s = sigma_t / alpha_t the state alpha_t y is, up to the cut, what the path makes of x by the time t, so a model
    that never saw any other noise is asked where it was trained: no gap between training and evaluation. As s grows it
    turns into `Uniform`.

    Source: Zheng, Lu, Chen & Zhu, Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs (ICML 2023),
        https://arxiv.org/abs/2305.03935. Differs: any half width h instead of 1/256.

    Args:
        scale: s > 0, in units of x; `at` takes it from a path.

    Example:
        >>> dequantise = TruncatedNormal.at(pf.paths.Affine(), 0.99)
        >>> y, log_q = dequantise(torch.zeros(2, 64), half=1 / 16)
        >>> bool((y.abs() <= 1 / 16).all()), log_q.shape
        (True, torch.Size([2]))
    """

    scale: float

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"TruncatedNormal needs a scale > 0, got {self.scale}")

    @classmethod
    def at(cls, path: AffinePath, time: float) -> "TruncatedNormal":
        """The noise that `path` has left at `time`, seen in units of the data."""
        c = path.coeffs(torch.tensor([time], dtype=torch.float64))
        return cls(float(c.sigma / c.alpha))

    def __call__(self, x: Float[Tensor, "b *e"], half: float, *, generator: Gen = None) -> Draws:
        """One draw for every row."""
        root, mass = math.sqrt(2), math.erf(half / self.scale / math.sqrt(2))
        u = 2 * rand(x.shape, x, generator=generator).to(x.dtype) - 1
        # rounding of erfinv near +-1, which only wide cells reach, must not leave the cell
        e = (root * torch.erfinv(mass * u)).clamp(-half / self.scale, half / self.scale)
        constant = event_size(x) * (0.5 * math.log(2 * math.pi) + math.log(mass) + math.log(self.scale))
        return Draws(x + self.scale * e, -0.5 * e.square()[..., None].flatten(1).sum(1) - constant)
