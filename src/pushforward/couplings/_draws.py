"""Draws from a plan, row by row."""

import torch
from torch import Tensor

from pushforward.core import Gen, rand


def draw_rows(plan: Tensor, generator: Gen) -> Tensor:
    """A column `[n]` for every row of `plan` `[n, m]`, with probability proportional to its entries.

    By the distribution function: one number per row, where torch.multinomial draws one per entry.
    """
    below = plan.double().cumsum(1)
    level = below[:, -1:] * rand((len(plan), 1), below, generator=generator)
    return torch.searchsorted(below, level, right=True).squeeze(1).clamp_max(plan.shape[1] - 1)
