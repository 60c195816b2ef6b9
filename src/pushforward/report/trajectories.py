"""How states travel from the source to where they end."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from pushforward.core import require
from pushforward.report.arrays import Array, images, is_image, span, to_numpy
from pushforward.report.mosaic import mosaic, pixel_figure, show
from pushforward.report.style import DPI, FLOW, GENERATED, MUTED, SOURCE, WIDTH, style

__all__ = ["trajectories"]

_LINES, _CORNERS, _ROWS, _COLUMNS = 200, 100, 6, 10
_WIDEST = 8  # no image is wider than such a part of the page: a flow map has two times, not a hundred


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` indices below `count`, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _lines(x: Float[np.ndarray, "k n d"], times: Float[np.ndarray, " k"]) -> Figure:
    """Lines in the plane, or against time for numbers; the colour is the time."""
    plane = x.shape[-1] == 2
    figure = Figure(figsize=(0.8 * WIDTH, 0.7 * WIDTH if plane else 0.5 * WIDTH), layout="constrained")
    axes = figure.subplots()
    kept = _spread(len(times), _CORNERS)
    x, times = x[kept, :_LINES], times[kept]
    if not plane:
        x = np.concatenate([np.broadcast_to(times[:, None, None], x.shape), x], axis=-1)
    pieces = np.stack([x[:-1], x[1:]], axis=2).swapaxes(0, 1)  # [n, k - 1, 2, 2]
    colour = np.tile((times[:-1] + times[1:]) / 2, x.shape[1])
    lines = LineCollection(list(pieces.reshape(-1, 2, 2)), array=colour, cmap=FLOW, linewidths=0.8, alpha=0.8)
    lines.set_clim(*span(times))
    axes.add_collection(lines)
    for end, plain, name in (
        (x[0], SOURCE, f"start, t = {times[0]:.3g}"),
        (x[-1], GENERATED, f"end, t = {times[-1]:.3g}"),
    ):
        axes.scatter(*end.T, s=14, color=plain, edgecolors="white", linewidths=0.4, label=name, zorder=3)
    axes.grid(visible=True)
    if plane:
        axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="" if plane else "time t", ylabel="" if plane else "x")
    axes.margins(0.04)
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2)
    bar = figure.colorbar(lines, ax=axes, label="time t", fraction=0.03, pad=0.01)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _strip(x: Float[np.ndarray, "k n c h w"], times: Float[np.ndarray, " k"]) -> Figure:
    """A row per image, a column per time."""
    kept = _spread(len(times), max(2, min(_COLUMNS, round(WIDTH * DPI) // (x.shape[-1] + 2))))
    x = x[:, :_ROWS]
    # noise spans more than data, so each time has its own scale: none is clipped and none is pale
    limits = [span(x[k]) for k in kept]
    left, top, bottom = 24, 56, 56
    width = round((WIDTH * DPI - 2 * left) * min(1.0, len(kept) / _WIDEST))
    raster = mosaic([[x[k, i] for k in kept] for i in range(x.shape[1])], limits, width)
    tall, wide = raster.shape[:2]
    figure = pixel_figure(wide + 2 * left, tall + top + bottom)
    axes = show(figure, raster, left, top)
    axes.xaxis.tick_top()
    axes.set_xticks((np.arange(len(kept)) + 0.5) * wide / len(kept), [f"t = {times[k]:.2f}" for k in kept])
    note = "each time on its own scale"
    figure.text(left / (wide + 2 * left), 0.35 * bottom / (tall + top + bottom), note, color=MUTED, size=8)
    return figure


@style()
def trajectories(trajectory: Array, times: Array, *, shape: Sequence[int] | None = None) -> Figure:
    """Lines from start to end for points and numbers; for images a strip of a few rows over time.

    Args:
        trajectory: States `[K, n, *E]` at K >= 2 times; E is `(2,)`, `(1,)` or an image.
        times: `[K]`.
        shape: `(H, W)` or `(C, H, W)` of flat images.

    Raises: `InvalidInput` when states and times differ in number, or the states are none of these.

    Example:
        >>> walk = torch.randn(11, 20, 2).cumsum(0)
        >>> len(trajectories(walk, torch.linspace(0, 1, 11)).axes)  # the lines and the scale of time
        2
    """
    x, t = to_numpy(trajectory), to_numpy(times).astype(np.float64)
    require(
        x.ndim >= 2 and len(x) == len(t) >= 2 and x.shape[1] > 0,
        f"trajectory has shape {list(x.shape)} for {len(t)} times, expected [K, n, ...] and K >= 2 times",
    )
    k, n, *event = x.shape
    if is_image(event if shape is None else shape):
        flat = images(x.reshape(k * n, *event), shape, "trajectory")
        return _strip(flat.reshape(k, n, *flat.shape[1:]), t)
    size = x.size // (k * n)
    require(
        size in (1, 2), f"trajectory has shape {list(x.shape)}, expected points [K, n, 2], numbers [K, n, 1] or images"
    )
    return _lines(x.reshape(k, n, size).astype(np.float64), t)
