"""Times from noise levels: the inverse of a path's ratio."""

import torch
from torch import Tensor

from pushforward.core import AffinePath, Incompatible, Path, require

__all__ = ["log_snr", "require_rising", "time_at"]

LOOK = 257  # times at which a ratio is looked at to see whether it rises
HALVINGS = 60  # of an interval of at most 1: below float64's rounding


def log_snr(path: AffinePath, t: Tensor) -> Tensor:
    """log(alpha / sigma) at `t`; infinite where one of them is 0."""
    c = path.coeffs(t)
    return c.alpha.clamp_min(0.0).log() - c.sigma.clamp_min(0.0).log()


def require_rising(grid: object, path: Path | None, span: tuple[float, float]) -> AffinePath:
    """The path, if it is affine and its ratio of signal to noise rises over `span`."""
    name = type(grid).__name__
    if not isinstance(path, AffinePath):
        got = "none" if path is None else type(path).__name__
        raise Incompatible(f"the grid {name} asks an affine path for alpha and sigma, got {got}; use grids.Uniform()")
    ratio = log_snr(path, torch.linspace(*span, LOOK, dtype=torch.float64))
    require(
        bool((ratio.diff() > 0).all()),
        f"the grid {name} needs alpha / sigma to rise from {span[0]:g} to {span[1]:g}, which it does not on "
        f"{getattr(path, 'schedule', path)}; use grids.Uniform()",
        Incompatible,
    )
    return path


def time_at(path: AffinePath, ratio: Tensor, span: tuple[float, float]) -> Tensor:
    """The times in `span` at which log(alpha / sigma) is `ratio`, by halving; any rising path has them."""
    low, high = (torch.full_like(ratio, end) for end in span)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = log_snr(path, middle) < ratio
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return 0.5 * (low + high)
