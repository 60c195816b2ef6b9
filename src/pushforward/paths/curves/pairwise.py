"""Straight from anchor to anchor."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.paths.curves.polyline import check_knots, interpolate

__all__ = ["Pairwise"]


@dataclass(frozen=True)
class Pairwise:
    r"""Linear interpolation between consecutive anchors on a time axis.

    .. math:: x_t = \frac{(t_{k+1} - t)\, x_k + (t - t_k)\, x_{k+1}}{t_{k+1} - t_k}, \qquad t_k \le t < t_{k+1}

    With two anchors this is `CondOT`. What is learned between two times depends on the coupling of these two marginals
    alone. At the times between the velocity jumps, which costs a solver of higher order about one step of first order;
    `NaturalSpline` has no jumps.

    Args:
        times: When each anchor is met: from 0 to 1, increasing, at least two.

    Shapes: `t` `[B]` gives weights and derivatives, `[B, K]`.
    Raises: `InvalidInput` for times that do not increase from 0 to 1.

    Example:
        >>> Pairwise((0.0, 0.5, 1.0))(torch.tensor([0.75]))
        (tensor([[0.0000, 0.5000, 0.5000]]), tensor([[ 0., -2.,  2.]]))
    """

    times: tuple[float, ...] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_knots("Pairwise.times", self.times, len(self.times))

    @property
    def marginals(self) -> int:
        """K."""
        return len(self.times)

    def __call__(self, t: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Weights and their derivatives; at an anchor's time those of the piece that begins there."""
        return interpolate(t, torch.tensor(self.times, dtype=torch.float64), torch.eye(len(self.times)))
