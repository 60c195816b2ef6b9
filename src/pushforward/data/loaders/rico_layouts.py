"""Screens of mobile applications, as boxes with labels."""

from dataclasses import dataclass

import torch

from pushforward.core import InvalidInput, require
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset, random_split
from pushforward.data.layout_code import LayoutCode
from pushforward.data.loaders.download import local_arrays

__all__ = ["RicoLayouts"]

_LOCAL = "layout/rico_test_layouts.npz"
_LABELS = 25


@dataclass(frozen=True)
class RicoLayouts:
    """3,729 screens of up to 20 elements with 25 labels, as codes `[20, 9]` (see `LayoutCode`), padded with zeros.

    The condition is a mapping with `real` `[20]`, 1 for elements and 0 for padding. Labels are those of the file less
    one. These screens are the test part of the published split, divided anew: figures of papers are of other rows.

    Read from `layout/rico_test_layouts.npz` below `$PUSHFORWARD_DATA`.

    Source: RICO (Deka et al., UIST 2017, https://doi.org/10.1145/3126594.3126651) as collected for Guerreiro et al.,
        LayoutFlow (ECCV 2024), https://arxiv.org/abs/2403.18187.

    Args:
        test_fraction: Share that is held out, in (0, 1).
        seed: Of the split.

    Raises: `InvalidInput` for a share out of range, and without the file.
    """

    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        require(0 < self.test_fraction < 1, f"RicoLayouts.test_fraction is {self.test_fraction}, expected (0, 1)")

    @staticmethod
    def code() -> LayoutCode:
        """What brings rows back to boxes and labels."""
        return LayoutCode(_LABELS)

    def load(self) -> Dataset:
        """The rows of the file, split at random."""
        found = local_arrays((_LOCAL,), ("box_ltrb", "category", "mask"))
        if found is None:
            raise InvalidInput(f"RicoLayouts downloads nothing; set PUSHFORWARD_DATA to a folder with {_LOCAL}")
        boxes, labels, mask = (torch.as_tensor(part) for part in found[1])
        real = mask.to(torch.get_default_dtype())
        labels = (labels.long() - 1).clamp_min(0)
        require(int(labels.max()) < _LABELS, f"the file has labels up to {int(labels.max()) + 1}, expected {_LABELS}")
        x = self.code().encode(boxes.to(real.dtype), labels) * real[..., None]
        parts = random_split(len(x), self.test_fraction, self.seed)
        train, test = (Arrays(x[rows], {"real": real[rows]}) for rows in parts)
        return Dataset(train, test, name="rico")
