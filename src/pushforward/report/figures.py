"""Which pictures a run deserves, and where they are written."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pushforward.report.arrays import Array, is_image, to_numpy
from pushforward.report.losses import column, losses
from pushforward.report.marginals import marginals, pairs
from pushforward.report.on_space import on_space
from pushforward.report.run import Run, load_run
from pushforward.report.sample_grid import sample_grid
from pushforward.report.scatter import scatter
from pushforward.report.style import png
from pushforward.report.trajectories import trajectories
from pushforward.training.atomic import atomic_write

__all__ = ["draw", "picture", "save", "save_figures"]


def draw(run: Run) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture that the run has the data for."""
    if run.samples is not None and not run.symbols:
        yield from _samples(run.samples, run)
    if np.isfinite(column(run.history, "loss")).any():
        yield "losses", losses(run.history)


def _samples(arrays: Mapping[str, np.ndarray], run: Run) -> Iterator[tuple[str, Figure]]:
    x, real = arrays["x"], arrays.get("real")
    event = run.shape or x.shape[1:]
    dim = math.prod(event)
    curved = on_space(run.space, x, real)
    if curved is not None:
        yield "samples", curved
        if event[0] > 2:
            yield "marginals", marginals(x, real, run.columns)
        return  # lines of a flat picture would leave the space, and cross it where angles wrap
    if is_image(event):
        yield (
            "samples",
            sample_grid(x, arrays.get("cond"), real, arrays.get("real_cond"), shape=event, class_names=run.class_names),
        )
    elif dim == 2:
        yield (
            "samples",
            scatter(
                x, real, arrays.get("source"), arrays.get("cond"), arrays.get("real_cond"), class_names=run.class_names
            ),
        )
    else:
        yield "marginals", marginals(x, real, run.columns)
        if dim > 2:
            yield "pairs", pairs(x, real, run.columns)
    if {"trajectory", "times"} <= arrays.keys() and (is_image(event) or dim <= 2):
        yield "trajectories", trajectories(arrays["trajectory"], arrays["times"], shape=run.shape)


def picture(
    x: Array,
    cond: Array | None = None,
    *,
    columns: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    space: Any = None,
) -> Figure:
    """Samples alone `[N, *E]`: on their space, a grid of images, points of the plane, or histograms of coordinates.

    Example:
        >>> picture(torch.randn(50, 2)).axes[0].get_aspect()
        1.0
    """
    curved = on_space(space, x)
    if curved is not None:
        return curved
    if is_image(x.shape[1:]):
        return sample_grid(x, cond, class_names=class_names)
    flat = to_numpy(x).reshape(len(x), -1)
    if flat.shape[1] == 2:
        return scatter(flat, cond=cond, class_names=class_names)
    return marginals(flat, None, columns)


def save(run: Run) -> list[Path]:
    """Write the pictures of a run that has been read to its `figures/`; gives their paths."""
    paths = []
    for name, figure in draw(run):
        paths.append(run.path / "figures" / f"{name}.png")
        atomic_write(paths[-1], png(figure))
    return paths


def save_figures(run: Path) -> list[Path]:
    """Write the pictures of the run in folder `run` to its `figures/`; gives their paths.

    Raises: `InvalidInput` when the folder is no run, one of its files is broken, or `figures/` cannot be written.
    """
    return save(load_run(run))
