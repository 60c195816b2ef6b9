"""What a loader gives: batches to learn from, rows to be judged by, and the units they are in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Incompatible, InvalidInput, State, generator_from, require
from pushforward.data.batches import Batches
from pushforward.data.checks import require_fraction
from pushforward.data.tokenisers import Tokeniser
from pushforward.data.transforms import Identity, Transform, model_shape

__all__ = ["Dataset", "Loader", "Shape", "random_split"]

Shape = tuple[int, ...] | Mapping[str, tuple[int, ...]]


def _shape(x: State) -> Shape:
    return {k: tuple(v.shape[1:]) for k, v in x.items()} if isinstance(x, Mapping) else tuple(x.shape[1:])


@dataclass(frozen=True)
class Dataset:
    """Data as a run sees them. `train`, `test` and `source` give data units; `transform` leads to model units.

    Args:
        train: Batches to learn from.
        test: Rows held out, drawn from the same law; None when there are none, and then nothing can be judged.
        source: Batches of x0, or None for the noise of the space.
        transform: Data units to model units; its inverse brings samples back.
        shape: Event shape `E` (a mapping of shapes for mapping states); found from `train` when left out.
        classes: Number of labels when conditions are labels.
        features: Width of vector conditions; found from `train` when left out.
        name: What to call it in reports.
        columns: Names of the coordinates of a table.
        class_names: What the labels 0, 1, ... mean.
        vocab: Number of symbols, when rows are symbols; the tokeniser's when left out.
        tokeniser: Makes texts of rows of symbols.

    Raises: `Incompatible` when train, test and source differ in shape, labels come without `classes`, or rows that
        should be symbols are none.

    Example:
        >>> rows = pf.data.Arrays(torch.zeros(10, 3))
        >>> Dataset(train=rows, test=rows).shape
        (3,)
    """

    train: Batches
    test: Batches | None = None
    source: Batches | None = None
    transform: Transform = field(default_factory=Identity)
    shape: Shape | None = None
    classes: int | None = None
    features: int | None = None
    name: str = ""
    columns: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    vocab: int | None = None
    tokeniser: Tokeniser | None = None

    def __post_init__(self) -> None:
        x, cond = self.train.take(1)
        if self.shape is None:
            object.__setattr__(self, "shape", _shape(x))
        parts = {"train": self.train, "test": self.test, "source": self.source}
        for name, batches in parts.items():
            found = self.shape if batches is None else _shape(batches.take(1)[0])
            require(found == self.shape, f"{name} rows have shape {found}, expected {self.shape}", Incompatible)
        if self.tokeniser is not None and self.vocab is None:
            object.__setattr__(self, "vocab", self.tokeniser.vocab)
        if self.vocab is not None:
            whole = isinstance(x, Tensor) and not x.is_floating_point()
            require(whole, f"train rows are no symbols 0 to {self.vocab - 1}; give int64 rows [N, L]", Incompatible)
        if isinstance(cond, Tensor):
            if cond.is_floating_point():
                object.__setattr__(self, "features", self.features or cond.shape[1])
            else:
                require(
                    self.classes is not None,
                    "train has labels but classes is None; say how many there are",
                    Incompatible,
                )

    @property
    def model_shape(self) -> Shape:
        """Event shape in model units."""
        return model_shape(self.transform, self.shape) if isinstance(self.shape, tuple) else self.shape or ()

    def held_out(self) -> Batches:
        """The rows to be judged by.

        Raises: `InvalidInput` when none were held out.
        """
        if self.test is None:
            raise InvalidInput(
                "no rows were held out from these data, and rows that were learned from judge nothing; "
                "give a Dataset with a test part, e.g. evaluate(flow, data=Dataset(train, test))"
            )
        return self.test


@runtime_checkable
class Loader(Protocol):
    """Something that reads, checks, splits and chooses the units."""

    def load(self) -> Dataset:
        """The data set."""
        ...


def random_split(n: int, test_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers of a train and a test part, each sorted and never empty, for `n >= 2` rows."""
    require_fraction(test_fraction)
    require(n >= 2, f"got {n} row(s), expected at least 2: one to learn from and one to be judged by")
    order = torch.randperm(n, generator=generator_from(seed, "split"))
    held = min(max(round(n * test_fraction), 1), n - 1)
    return order[held:].sort().values, order[:held].sort().values
