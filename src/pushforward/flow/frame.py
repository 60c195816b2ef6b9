"""What sampling needs to know of the data: shapes, conditions, units."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pushforward.core import Cond, InvalidInput, require
from pushforward.data import (
    Dataset,
    Identity,
    Tokeniser,
    Transform,
    describe_tokeniser,
    describe_transform,
    model_shape,
    rebuild_tokeniser,
    rebuild_transform,
)

__all__ = ["Frame"]


@dataclass(frozen=True)
class Frame:
    """Shapes, conditions and units of the data, without the data.

    Args:
        shape: Event shape `E`.
        classes: Number of labels, when conditions are labels.
        features: Width of vector conditions.
        transform: Data units to model units.
        source: Whether x0 are rows of a source rather than noise.
        name: What to call the data.
        columns: Names of the coordinates of a table.
        class_names: What the labels mean.
        vocab: Number of symbols, when rows are symbols.
        tokeniser: Makes texts of rows of symbols.
    """

    shape: tuple[int, ...]
    classes: int | None = None
    features: int | None = None
    transform: Transform = field(default_factory=Identity)
    source: bool = False
    name: str = ""
    columns: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    vocab: int | None = None
    tokeniser: Tokeniser | None = None

    @property
    def model_shape(self) -> tuple[int, ...]:
        """Event shape in model units."""
        return model_shape(self.transform, self.shape)

    @classmethod
    def of(cls, data: Dataset) -> "Frame":
        """The frame of a data set."""
        assert isinstance(data.shape, tuple)
        own = {name: getattr(data, name) for name in vars(data).keys() & cls.__dataclass_fields__.keys()}
        return cls(**{**own, "source": data.source is not None})

    def written(self) -> dict[str, str]:
        """As short texts, for the header of the weights; the transform's tensors go beside them."""
        tokeniser = None if self.tokeniser is None else describe_tokeniser(self.tokeniser)
        described = {"transform": describe_transform(self.transform), "tokeniser": tokeniser}
        return {"frame": json.dumps({**vars(self), **described})}

    @classmethod
    def read(cls, header: dict[str, str], tensors: dict[str, Tensor]) -> "Frame":
        """The frame that `written` wrote.

        Raises: `ValueError`, `TypeError`, `KeyError` or `AttributeError` for a header that it did not write.
        """
        found: dict[str, Any] = json.loads(header["frame"])
        sizes = ("classes", "features", "vocab")
        numbers = [*found["shape"], *(found[k] for k in sizes if found.get(k) is not None)]
        require(all(type(k) is int and k >= 1 for k in numbers), f"shape, {', '.join(sizes)} are {numbers}")
        tuples = {k: tuple(v) for k, v in found.items() if k in ("shape", "columns", "class_names") and v is not None}
        tokeniser = found.get("tokeniser")
        rebuilt = {
            "transform": rebuild_transform(found["transform"], tensors),
            "tokeniser": None if tokeniser is None else rebuild_tokeniser(tokeniser),
        }
        return cls(**{**found, **tuples, **rebuilt})

    def condition(self, cond: Any, n: int, optional: bool) -> Cond:
        """`cond` for `n` rows, checked: labels in range, vectors of the right width.

        None takes all classes in turn, or no condition where the model has learned to do without (`optional`).
        """
        if cond is None and self.classes is not None:
            return torch.arange(n) % self.classes
        if cond is None:
            require(
                self.features is None or optional, f"this flow needs a condition: cond of shape [{n}, {self.features}]"
            )
            return None
        found = as_condition(cond)
        if self.classes is not None:
            return self._labels(found, n)
        require(self.features is not None, "this flow was trained without conditions; drop cond")
        found = found.to(torch.get_default_dtype())
        found = found[None] if found.ndim == 1 and len(found) == self.features else found
        require(
            found.ndim == 2 and found.shape[1] == self.features and len(found) in (1, n),
            f"cond has shape {list(found.shape)}, expected [{n}, {self.features}] (or one row for all)",
        )
        require(bool(torch.isfinite(found).all()), "cond has entries that are not finite; every row needs a condition")
        return found.expand(n, -1).contiguous()

    def _labels(self, found: Tensor, n: int) -> Tensor:
        require(
            not found.is_floating_point() and found.ndim <= 1 and found.numel() in (1, n),
            f"cond has shape {list(found.shape)} and dtype {found.dtype}, expected {n} integer labels (or one for all)",
        )
        found = found.reshape(-1).long()
        classes = self.classes or 0
        wrong = found[(found < 0) | (found >= classes)]
        if len(wrong):
            raise InvalidInput(
                f"condition {int(wrong[0])} is out of range; this flow knows the labels 0 to {classes - 1}"
            )  # pyright: ignore[reportOptionalOperand]
        return found.expand(n).contiguous()


def as_condition(cond: Any) -> Tensor:
    """Labels as int64, vectors as floats; anything that numpy understands."""
    try:
        found = cond if isinstance(cond, Tensor) else torch.as_tensor(np.asarray(cond))
    except (TypeError, ValueError):
        raise InvalidInput(f"cond is {type(cond).__name__}, expected labels (integers) or rows of numbers") from None
    return found.to(torch.get_default_dtype()) if found.is_floating_point() else found.long()
