"""The split of the papers on curved data: eight tenths to learn from, one to choose by, one to report."""

import torch
from torch import Tensor

from pushforward.core import generator_from, require

__all__ = ["tenths"]


def tenths(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row numbers of the train, validation and test parts, at random, each sorted; for `n >= 10` rows."""
    require(n >= 10, f"got {n} row(s), expected at least 10 to split into tenths")
    order, held = torch.randperm(n, generator=generator_from(seed, "split")), n // 10
    parts = order[2 * held :], order[:held], order[held : 2 * held]
    return tuple(part.sort().values for part in parts)  # pyright: ignore[reportReturnType]
