"""EDM's steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Path, require
from pushforward.solvers.grids.ratio import log_snr, require_rising, time_at

__all__ = ["EDM"]


@dataclass(frozen=True)
class EDM:
    r"""EDM's noise levels, for any affine path: equal steps of the level's root of degree rho, then no noise.

    .. math:: \Big(\frac{\sigma}{\alpha}\Big)(t_i) = \Big(s_{\max}^{1/\rho}
              + \tfrac{i}{K - 1}\big(s_{\min}^{1/\rho} - s_{\max}^{1/\rho}\big)\Big)^{\rho}, \quad i < K, \qquad t_K = b

    The path's level sigma / alpha is EDM's sigma. The first time is the start of the span whatever its level; levels
    beyond those of the path are cut to its own, and where it ends with more noise than s_min, that is the last level.

    Source: Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (NeurIPS 2022),
        https://arxiv.org/abs/2206.00364, equation 5; its time is the level, and falls.

    Args:
        rho: Degree, > 0; large ones put more steps where there is little noise.
        smallest: s_min > 0, in units of the data.
        largest: s_max > s_min.

    Raises: `InvalidInput` at construction for numbers out of range; when called for levels that are none of the path's,
        and `Incompatible` for a path that is not affine, or whose ratio does not rise.

    Example:
        >>> EDM()(4, path=pf.paths.Affine())
        tensor([0.0000, 0.0933, 0.6803, 0.9980, 1.0000], dtype=torch.float64)
    """

    rho: float = 7.0
    smallest: float = 0.002
    largest: float = 80.0

    def __post_init__(self) -> None:
        require(self.rho > 0, f"EDM.rho is {self.rho}, expected a number > 0")
        require(
            0 < self.smallest < self.largest,
            f"EDM has levels from {self.largest} to {self.smallest}, expected smallest > 0 and largest above it",
        )

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` times over `span`."""
        affine = require_rising(self, path, span)
        first, last = (-log_snr(affine, torch.tensor(span, dtype=torch.float64))).exp().tolist()
        root = 1 / self.rho
        start, stop = min(self.largest, first) ** root, max(self.smallest, last) ** root
        require(
            stop < start,
            f"EDM has levels from {self.largest:g} to {self.smallest:g}, the path from {first:g} to {last:g} over "
            "these times; give smallest and largest so that they overlap",
        )
        number = steps + 1 if last >= self.smallest else steps  # where noise is left at the end, that is the last level
        levels = torch.linspace(start, stop, number, dtype=torch.float64) ** self.rho
        found = torch.full((steps + 1,), span[1], dtype=torch.float64)
        found[:number] = time_at(affine, -levels.log(), span)
        found[0], found[-1] = span
        return found
