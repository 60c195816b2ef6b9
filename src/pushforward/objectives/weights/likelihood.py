"""The variational bound."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["Likelihood"]


@dataclass(frozen=True)
class Likelihood:
    r"""The variational bound on the likelihood, whatever the head, up to a constant and a factor d.

    .. math:: \frac{W}{\alpha\sigma}\, |\delta\epsilon|^2 = \frac{\alpha}{\sigma W}\, |\delta v|^2
              \qquad (\text{CondOT: } \tfrac{t}{1 - t}\, |\delta v|^2)

    Not integrable at t = 1: draw times up to a cut-off (`Uniform(high=1 - 1e-3)`).

    Source: Kingma et al., Variational Diffusion Models (NeurIPS 2021), https://arxiv.org/abs/2107.00630.
    """

    def error(self, c: Coeffs) -> Tensor:
        """sqrt(alpha W / sigma)."""
        return (c.alpha * c.wronskian / c.sigma).sqrt()
