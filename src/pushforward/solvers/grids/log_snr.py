"""Steps that are equal in the logarithm of the signal-to-noise ratio."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Path, require
from pushforward.solvers.grids.ratio import log_snr, require_rising, time_at

__all__ = ["LogSNR"]

FAR = 14.0  # a ratio of 1e6 counts as infinite: cos(pi / 2) is not 0 in floating point


@dataclass(frozen=True)
class LogSNR:
    r"""Steps of equal length in lambda, the variable of the exponential integrators.

    .. math:: \lambda(t_i) = \lambda_a + \tfrac iK (\lambda_b - \lambda_a), \qquad \lambda = \log\frac{\alpha}{\sigma}

    Where lambda is infinite at an end of the span, the grid is that of a span which is shorter by `margin` of time; the
    first or last time is then moved to the end. The ends of the span are met in any case.

    Source: Lu et al., DPM-Solver (NeurIPS 2022), https://arxiv.org/abs/2206.00927, uniform logSNR steps.

    Args:
        margin: Part of time that is left out where lambda is infinite, in (0, 0.5).

    Raises: `InvalidInput` at construction for a margin out of range; when called `Incompatible` for a path that is not
        affine, or whose ratio does not rise.

    Example:
        >>> LogSNR(margin=0.1)(4, path=pf.paths.Affine())
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000], dtype=torch.float64)
    """

    margin: float = 1e-3

    def __post_init__(self) -> None:
        require(0 < self.margin < 0.5, f"LogSNR.margin is {self.margin}, expected a number in (0, 0.5)")

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` times over `span`."""
        affine = require_rising(self, path, span)
        ends = torch.tensor(span, dtype=torch.float64)
        inner = ends + self.margin * (ends[1] - ends[0]) * torch.tensor([1.0, -1.0], dtype=torch.float64)
        inner = torch.where(log_snr(affine, ends).abs() < FAR, ends, inner)
        start, stop = log_snr(affine, inner).tolist()
        found = time_at(affine, torch.linspace(start, stop, steps + 1, dtype=torch.float64), span)
        found[0], found[-1] = span
        return found
