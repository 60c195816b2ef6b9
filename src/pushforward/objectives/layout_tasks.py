"""What is given of a layout, and what is to be generated."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, rand, require

__all__ = ["BOX", "ElementsGiven", "LabelsAndSizesGiven", "LabelsGiven", "Task", "Whole"]

BOX = 4  # the first attributes of an element: centre, width and height


@runtime_checkable
class Task(Protocol):
    """Draws the marks of a batch: 1 for what is to be generated, 0 for what is given and for padding."""

    def generate(
        self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None
    ) -> Float[Tensor, "b n features"]:
        """Marks for sets with `real` elements."""
        ...


def _columns(real: Tensor, features: int, first: int, last: int) -> Tensor:
    marks = real.new_zeros(features)
    marks[first:last] = 1
    return real[..., None] * marks


@dataclass(frozen=True)
class Whole:
    """Everything is generated.

    Example:
        >>> Whole().generate(torch.tensor([[1.0, 0.0]]), 5).sum(2)
        tensor([[5., 0.]])
    """

    def generate(
        self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None
    ) -> Float[Tensor, "b n features"]:
        """All marks."""
        return _columns(real, features, 0, features)


@dataclass(frozen=True)
class LabelsGiven:
    """Labels are given, boxes are generated; the task of refinement, too."""

    def generate(
        self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None
    ) -> Float[Tensor, "b n features"]:
        """Marks on boxes."""
        return _columns(real, features, 0, BOX)


@dataclass(frozen=True)
class LabelsAndSizesGiven:
    """Labels, widths and heights are given, places are generated."""

    def generate(
        self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None
    ) -> Float[Tensor, "b n features"]:
        """Marks on places."""
        return _columns(real, features, 0, BOX // 2)


@dataclass(frozen=True)
class ElementsGiven:
    """Some elements are given whole, each as likely as the others; the rest is generated.

    A row of n elements has a number given that is uniform on 1, ..., max(1, floor(share n)), and never all of them.

    Args:
        share: Largest share that is given, in (0, 1].
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        require(0 < self.share <= 1, f"ElementsGiven.share is {self.share}, expected a share in (0, 1]")

    def generate(
        self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None
    ) -> Float[Tensor, "b n features"]:
        """Marks on the elements that are not given."""
        size = real.sum(1)
        most = (self.share * size + 1e-4).floor().clamp_min(1)  # a share of 0.2 of 5 is 1, whatever its rounding
        given = (1 + (rand(size.shape, real, generator=generator) * most).floor()).minimum(most)
        given = given.minimum((size - 1).clamp_min(0))
        score = torch.where(real > 0, rand(real.shape, real, generator=generator).to(real.dtype), math.inf)
        rank = score.argsort(1).argsort(1)
        marks = real * (rank >= given[:, None]).to(real.dtype)
        return marks[..., None].expand(*marks.shape, features).clone()
