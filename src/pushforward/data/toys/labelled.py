"""A toy together with the component that each point came from."""

from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, Incompatible, require
from pushforward.data.batches import Distribution

__all__ = ["Components", "Labelled"]


@runtime_checkable
class Components(Protocol):
    """A distribution made of `classes` components that can say which one a draw came from."""

    @property
    def classes(self) -> int:
        """How many components there are."""
        ...

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Tensor, Tensor]:
        """Points `[n, *E]` and their components `[n]` in 0, ..., classes - 1."""
        ...


@dataclass(frozen=True)
class Labelled:
    """The same distribution, giving (points, labels), so that the labels become the condition.

    Raises: `Incompatible` when the distribution has no components.

    Example:
        >>> x, label = Labelled(pf.data.Moons()).sample(3)
        >>> x.shape, label.shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    distribution: Distribution

    def __post_init__(self) -> None:
        name = type(self.distribution).__name__
        known = isinstance(self.distribution, Components)
        require(known, f"{name} has no components to label; set labels: false", Incompatible)

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return cast(Components, self.distribution).classes

    def sample(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n *e"], Int[Tensor, " n"]]:
        """`n` points and their labels."""
        return cast(Components, self.distribution).sample_labelled(n, generator=generator)
