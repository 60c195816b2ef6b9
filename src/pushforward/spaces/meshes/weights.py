"""How much every eigenfunction counts in a spectral distance."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import require

__all__ = ["Biharmonic", "Commute", "Diffusion", "SpectralWeight"]


@runtime_checkable
class SpectralWeight(Protocol):
    """Positive eigenvalues `[k]` to the weights `[k]` of squared differences of eigenfunctions."""

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Weights `[k]`."""
        ...


@dataclass(frozen=True)
class Biharmonic:
    r"""w = 1 / lambda^2: smooth, and nearly the geodesic distance in its level sets; the paper's choice.

    Source: Lipman, Rustamov & Funkhouser, Biharmonic Distance (TOG 2010), https://doi.org/10.1145/1805964.1805971.
    """

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Weights `[k]`."""
        return eigenvalues**-2


@dataclass(frozen=True)
class Commute:
    r"""w = 1 / lambda: the commute time of a random walk, up to a constant. Its sum grows with the logarithm of k, and
    with it the slope at the target.
    """

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Weights `[k]`."""
        return 1 / eigenvalues


@dataclass(frozen=True)
class Diffusion:
    r"""w = exp(-2 tau lambda): the L2 distance of two heat kernels after time tau.

    Args:
        tau: Time of diffusion, > 0, in squared lengths; well below 1 / (first eigenvalue), or all but the slowest
            functions are gone.

    Raises: `InvalidInput` for a time that is not positive and finite.
    """

    tau: float = 0.25

    def __post_init__(self) -> None:
        require(0 < self.tau < math.inf, f"Diffusion needs a positive, finite tau, got {self.tau}; try 0.25")

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Weights `[k]`."""
        return (-2 * self.tau * eigenvalues).exp()
