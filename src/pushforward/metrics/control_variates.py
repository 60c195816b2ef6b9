"""Control variates of the sliced Wasserstein distance: what Gaussians of the same moments would have given."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["ControlVariate", "LowerBound", "UpperBound", "controlled_mean"]


@runtime_checkable
class ControlVariate(Protocol):
    """A function of the direction whose mean over the sphere is known."""

    def slices(self, x: Float[Tensor, "l n"], y: Float[Tensor, "l m"]) -> Float[Tensor, " l"]:
        """Its value for shadows `x` and `y` of the two sets, in every direction."""
        ...

    def mean(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """Its mean over uniform directions."""
        ...


@dataclass(frozen=True)
class LowerBound:
    r"""Squared distance of the means of the shadows, a lower bound of their W_2^2.

    .. math:: G(\theta) = (\theta \cdot (m_x - m_y))^2, \qquad \mathrm{E}\,G = |m_x - m_y|^2 / d

    Makes translations exact from two directions on.

    Example:
        >>> x = torch.randn(50, 3)
        >>> shift = torch.tensor([1.0, -2.0, 0.5])
        >>> value = pf.metrics.sliced_wasserstein(x, x + shift, directions=4, control=LowerBound())
        >>> round(float(value) ** 2, 3)  # |shift|^2 / 3
        1.75
    """

    def slices(self, x: Float[Tensor, "l n"], y: Float[Tensor, "l m"]) -> Float[Tensor, " l"]:
        """G of every direction."""
        return (x.mean(1, dtype=torch.float64) - y.mean(1, dtype=torch.float64)).square()

    def mean(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """E G."""
        return (x.mean(0, dtype=torch.float64) - y.mean(0, dtype=torch.float64)).square().mean()


@dataclass(frozen=True)
class UpperBound:
    r"""The same with both variances, an upper bound of W_2^2 between Gaussians of the shadows' moments.

    .. math:: G(\theta) = (\theta \cdot (m_x - m_y))^2 + \mathrm{Var}_i\,\theta \cdot x_i
              + \mathrm{Var}_j\,\theta \cdot y_j, \qquad
              \mathrm{E}\,G = \big[|m_x - m_y|^2 + \mathrm{E}|x - m_x|^2 + \mathrm{E}|y - m_y|^2\big] / d

    Makes scalings about a common mean exact. Not always a help: with few directions it can add variance.

    Example:
        >>> x = torch.randn(50, 3)
        >>> x = x - x.mean(0)
        >>> value = pf.metrics.sliced_wasserstein(x, 3 * x, directions=4, control=UpperBound())
        >>> round(float(value / x.square().mean().sqrt()), 3)
        2.0
    """

    def slices(self, x: Float[Tensor, "l n"], y: Float[Tensor, "l m"]) -> Float[Tensor, " l"]:
        """G of every direction."""
        spread = x.double().var(1, correction=0) + y.double().var(1, correction=0)
        return LowerBound().slices(x, y) + spread

    def mean(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """E G."""
        spread = x.double().var(0, correction=0).mean() + y.double().var(0, correction=0).mean()
        return LowerBound().mean(x, y) + spread


def controlled_mean(
    values: Float[Tensor, " l"], control: Float[Tensor, " l"], mean: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""The mean of `values` less what the control's known mean tells about their error, at least 0.

    .. math:: Z = \bar W - \gamma\,(\bar G - \mathrm{E}\,G), \qquad
              \gamma = \sum_l (W_l - \bar W)(G_l - \bar G) \Big/ \sum_l (G_l - \bar G)^2
    """
    offset = control - control.mean()
    spread = offset.square().sum()
    # a control that is the same in all directions says nothing: its rounding must not be taken for a slope
    flat = spread <= (1e-14 * control.square().sum())
    slope = ((values - values.mean()) * offset).sum() / torch.where(flat, 1.0, spread)
    return (values.mean() - torch.where(flat, 0.0, slope) * (control.mean() - mean)).clamp_min(0)
