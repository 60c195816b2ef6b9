"""The dark squares of a board."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import pick, uniform

__all__ = ["Checkerboard"]


@dataclass(frozen=True)
class Checkerboard:
    """Uniform on every second square of a board centred at 0; the square that touches 0 from above right is dark.

    The defaults are eight squares of side 2 in [-4, 4]^2, the law of the FFJORD toy,
    https://github.com/rtqichen/ffjord.

    Args:
        cells: Squares along a side, even.
        side: Length of a square's side, > 0.
    """

    cells: int = 4
    side: float = 2.0

    def __post_init__(self) -> None:
        require(
            self.cells >= 2 and self.cells % 2 == 0,
            f"Checkerboard has {self.cells} cells a side, expected an even number",
        )
        require(self.side > 0, f"Checkerboard has squares of side {self.side}, expected a positive number")

    @property
    def classes(self) -> int:
        """How many dark squares there are."""
        return self.cells**2 // 2

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their squares, counted column by column from the left, upwards."""
        label = pick(n, self.classes, generator)
        column = label // (self.cells // 2)
        row = 2 * (label % (self.cells // 2)) + column % 2
        corner = torch.stack([column, row], 1) - self.cells // 2
        return self.side * (corner + uniform(n, 2, generator=generator)), label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Log-density, in nats: one number on the dark squares, -inf elsewhere."""
        square = (x / self.side).floor()
        dark = (square.sum(1) % 2 == 0) & (square >= -self.cells // 2).all(1) & (square < self.cells // 2).all(1)
        return torch.where(dark, -math.log(self.classes * self.side**2), -math.inf).to(x.dtype)
