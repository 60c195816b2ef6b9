"""The schedule of denoising diffusion, run from noise to data."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, require

__all__ = ["VariancePreserving"]

LATEST = 1.0 - 1e-5  # where the diverging derivative of sigma is held


@dataclass(frozen=True)
class VariancePreserving:
    r"""Variance-preserving diffusion with linear beta.

    .. math:: T_t = \tfrac12 (1-t)^2 (\beta_{\max} - \beta_{\min}) + (1-t)\,\beta_{\min}, \qquad
              \alpha_t = e^{-T_t/2}, \qquad \sigma_t = \sqrt{1 - e^{-T_t}}

    alpha_0 is exp(-(beta_min + beta_max)/4), 0.0066 by default: the path starts near, not at, the noise. sigma'
    diverges like a square root at t = 1; it is held at its value at t = 1 - 1e-5 from there on.

    Source: Song et al., Score-Based Generative Modeling through SDEs (ICLR 2021), https://arxiv.org/abs/2011.13456,
        VP SDE; there time runs from data (0) to noise (1), so t here is 1 - t there.

    Args:
        beta_min: Noise rate at the data end, per unit time, > 0.
        beta_max: Noise rate at the noise end, per unit time, >= beta_min.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        require(
            0 < self.beta_min <= self.beta_max,
            f"VariancePreserving needs 0 < beta_min <= beta_max, got {self.beta_min} and {self.beta_max}",
        )

    def _exponent(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """T and -dT/dt."""
        back = 1.0 - t
        slope = self.beta_max - self.beta_min
        return back * back * slope / 2 + back * self.beta_min, back * slope + self.beta_min

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        big, fall = self._exponent(t)
        alpha, sigma = (-big / 2).exp(), (-torch.expm1(-big)).sqrt()
        held, held_fall = self._exponent(t.clamp(max=LATEST))
        d_sigma = -held_fall * (-held).exp() / (2 * (-torch.expm1(-held)).sqrt())
        return Coeffs(alpha, sigma, fall * alpha / 2, d_sigma)

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` > 0; `rho` below the ratio at t = 0 gives times below 0."""
        big = torch.log1p(rho**-2).clamp(max=1e9)  # pure noise (rho = 0) is long before t = 0, not NaN
        slope = self.beta_max - self.beta_min
        # the positive root of slope/2 (1-t)^2 + beta_min (1-t) = T, in the form that keeps digits when slope T is small
        back = 2 * big / (self.beta_min + (self.beta_min**2 + 2 * slope * big).sqrt())
        return 1.0 - back
