"""Step-size control."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pushforward.core import require

__all__ = ["PI", "require_tolerances"]


@dataclass(frozen=True)
class PI:
    r"""Proportional-integral control of the step size, for every row on its own.

    .. math:: h_{n+1} = h_n\,\mathrm{clip}\big(\mathrm{safety}\; e_n^{-(1/q - 0.75\beta)}\; e_{n-1}^{\beta},\
              \mathrm{shrink},\ \mathrm{grow}\big)

    with e the local error in units of the tolerance and q the order; a step with e <= 1 is accepted. After a rejection
    the history does not count and the next accepted step does not grow. Tolerances bound the estimated error of single
    steps: the flow multiplies it by its own stretching on the way to the end, and now and then an accepted step hides
    an error many times its estimate; the integral part makes that rarer. See `test_error_on_the_exact_mixture_field`.

    Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4, and Hairer & Wanner II,
        section IV.2 (the PI part); constants of the code DOPRI5.

    Args:
        safety: Fraction of the optimal step that is dared, in (0, 1).
        beta: Weight of the previous error, in [0, 0.2]; 0 is the plain controller.
        shrink: Least factor between steps, in (0, 1).
        grow: Greatest factor between steps, > 1.
        max_steps: Steps a row may try, rejected ones included, before `solve` raises `RunFailed`; >= 1.

    Example:
        >>> PI().factor(torch.tensor([0.0, 1e9]), torch.ones(2), torch.tensor([False, False]), order=5)
        tensor([10.0000,  0.2000])
    """

    safety: float = 0.9
    beta: float = 0.04
    shrink: float = 0.2
    grow: float = 10.0
    max_steps: int = 10_000

    def __post_init__(self) -> None:
        require(0 < self.safety < 1, f"safety={self.safety}, expected a number between 0 and 1")
        require(0 <= self.beta <= 0.2, f"beta={self.beta}, expected a number from 0 to 0.2")
        require(
            0 < self.shrink < 1 < self.grow,
            f"shrink={self.shrink} and grow={self.grow}, expected 0 < shrink < 1 < grow",
        )
        require(self.max_steps >= 1, f"max_steps={self.max_steps}, expected at least 1")

    def factor(
        self, error: Float[Tensor, " b"], previous: Float[Tensor, " b"], rejected: Bool[Tensor, " b"], *, order: int
    ) -> Float[Tensor, " b"]:
        """Factor to the next step size, `[B]`.

        Args:
            error: Local error of this step in units of the tolerance; may be infinite.
            previous: The same of the last accepted step.
            rejected: Whether the step before this one was rejected.
            order: Order of the method.
        """
        power = self.safety * error ** (0.75 * self.beta - 1 / order)
        wish = torch.where(error <= 1, power * previous**self.beta, power).clamp(self.shrink, self.grow)
        return torch.where(rejected, wish.clamp(max=1.0), wish)


def require_tolerances(solver: Any) -> None:
    """Raise `InvalidInput` unless the tolerances of an adaptive solver make sense."""
    relative, absolute = solver.relative_tolerance, solver.absolute_tolerance
    require(relative >= 0, f"relative_tolerance={relative}, expected a number >= 0")
    require(absolute > 0, f"absolute_tolerance={absolute}, expected a number > 0 (states may pass through zero)")
