"""Toys as data sets without end."""

from dataclasses import dataclass, field

from pushforward.data.batches import Distribution, Stream
from pushforward.data.dataset import Dataset
from pushforward.data.toys import Labelled, Moons

__all__ = ["Toy"]


@dataclass(frozen=True)
class Toy:
    """Fresh draws of a known distribution at every step.

    Args:
        target: Law of x1.
        source: Law of x0; None for the noise of the space.
        labels: Give the target's components as labels.

    Raises: `Incompatible` when labels are asked of a target without components.

    Example:
        >>> Toy(target=pf.data.Moons(), source=pf.data.EightGaussians(), labels=True).load().classes
        2
    """

    target: Distribution = field(default_factory=Moons)
    source: Distribution | None = None
    labels: bool = False

    def load(self) -> Dataset:
        """Streams for train, test and source."""
        labelled = Labelled(self.target) if self.labels else None
        target = Stream(self.target if labelled is None else labelled)
        return Dataset(
            train=target,
            test=target,
            source=None if self.source is None else Stream(self.source),
            classes=None if labelled is None else labelled.classes,
            name=type(self.target).__name__,
        )
