"""Generated images beside real ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from pushforward.core import require
from pushforward.report.arrays import Array, class_labels, class_name, images, span
from pushforward.report.mosaic import Grid, mosaic, pixel_figure, show
from pushforward.report.style import DPI, GENERATED, MUTED, REAL, WIDTH, style

__all__ = ["sample_grid"]

_CLASSES, _COLUMNS = 10, 8
_SIDE, _TOP, _BOTTOM, _APART = 48, 56, 60, 56  # pixels


class _Block(NamedTuple):
    title: str
    colour: str
    images: Float[np.ndarray, "n c h w"]
    labels: np.ndarray | None


def _grid(block: _Block, classes: Sequence[int], rows: int, columns: int) -> Grid:
    """The first images of each class, a class per row; in the order they come when there are no labels."""
    if block.labels is None:
        picked = [range(r * columns, (r + 1) * columns) for r in range(rows)]
    else:
        picked = [np.flatnonzero(block.labels == c)[:columns] for c in classes]
    found = [[block.images[i] for i in row if i < len(block.images)] for row in picked]
    return [row + [None] * (columns - len(row)) for row in found]


@style()
def sample_grid(
    x: Array,
    cond: Array | None = None,
    real: Array | None = None,
    real_cond: Array | None = None,
    *,
    shape: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Generated images, and real ones on the same grey scale beside them; with labels a class per row.

    The scale runs from the smallest to the largest value shown, so nothing is clipped; red marks values that are not
    finite.

    Args:
        x: Generated, `[N, H, W]`, `[N, C, H, W]` with C 1 or 3, or flat `[N, H * W]` with `shape`.
        cond: Labels `[N]`, integers; -1 means none. The first ten classes are shown.
        real: Held-out rows `[M, ...]`, shaped like `x`.
        real_cond: Their labels `[M]`.
        shape: `(H, W)` or `(C, H, W)` of flat rows.
        class_names: What the labels 0, 1, ... mean.

    Raises: `InvalidInput` when the rows are no images, or labels and images differ in number.

    Example:
        >>> len(sample_grid(torch.rand(20, 8, 8), real=torch.rand(20, 8, 8)).axes)
        2
    """
    blocks = [_Block("Generated", GENERATED, images(x, shape), class_labels(cond, len(x), "cond"))]
    if real is not None:
        held = images(real, shape, "real")
        blocks.append(_Block("Real, held out", REAL, held, class_labels(real_cond, len(real), "real_cond")))
    require(
        len({block.images.shape[1:] for block in blocks}) == 1,
        f"real has shape {list(blocks[-1].images.shape)}, x {list(blocks[0].images.shape)}; give images of one shape",
    )
    require(all(len(block.images) for block in blocks), "there are no images to show; sample at least one")

    room = (round(WIDTH * DPI) - 2 * _SIDE - (len(blocks) - 1) * _APART) // len(blocks)
    columns = min(_COLUMNS, max(2, room // (blocks[0].images.shape[-1] + 2)))
    known = [block.labels for block in blocks if block.labels is not None]
    every = [int(c) for c in np.unique(known[0]) if c >= 0] if known else []
    classes = every[:_CLASSES]
    rows = len(classes) or min(columns, max(-(-len(block.images) // columns) for block in blocks))
    grids = [_grid(block, classes, rows, columns) for block in blocks]
    low, high = span(*(image for grid in grids for row in grid for image in row))
    rasters = [mosaic(grid, [(low, high)] * columns, room) for grid in grids]

    tall, wide = rasters[0].shape[:2]
    names = [class_name(c, class_names) for c in classes]
    left = max([_SIDE, *(24 + 12 * len(name) for name in names)])  # room for the longest label
    width, height = left + len(blocks) * (wide + _APART) - _APART + _SIDE, _TOP + tall + _BOTTOM
    figure = pixel_figure(width, height)
    for i, (block, raster) in enumerate(zip(blocks, rasters, strict=True)):
        axes = show(figure, raster, left + i * (wide + _APART), _TOP)
        axes.set_title(block.title, color=block.colour, loc="left")
        if names and i == 0:
            axes.set_yticks((np.arange(rows) + 0.5) * tall / rows, names, fontsize=9)
    note = f"black {low:.3g}, white {high:.3g}"
    if len(every) > len(classes):
        note += f"; the first {len(classes)} of {len(every)} classes"
    figure.text(left / width, 0.35 * _BOTTOM / height, note, color=MUTED, size=8)
    return figure
