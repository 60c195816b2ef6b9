"""Columns of a table: one at a time, and two at a time."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pushforward.core import require
from pushforward.report.arrays import Array, points, span
from pushforward.report.style import GENERATED, MUTED, REAL, WIDTH, style

__all__ = ["marginals", "pairs"]

_HISTOGRAMS, _PAIRS, _MOST, _BINS = 12, 4, 2000, 40


def _table(
    x: Array, real: Array | None, columns: Sequence[str] | None
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"] | None, Sequence[str]]:
    a = points(x)
    names = [f"column {i + 1}" for i in range(a.shape[1])] if columns is None else columns
    require(
        len(names) == a.shape[1], f"there are {len(names)} column names for {a.shape[1]} columns; name every column"
    )
    return a, None if real is None else points(real, a.shape[1], "real"), names


def _edges(x: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    """Common bins: a bin per value for small integers, else of equal width, as many as the smaller set can fill."""
    values = [x] if real is None else [x, real]
    low, high = span(*values)
    if all(np.array_equal(v, np.round(v)) for v in values) and high - low <= _BINS:
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    bins = min(_BINS, max(8, round(2 * min(map(len, values)) ** 0.5)))
    return np.linspace(low, high, bins + 1)


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts = np.histogram(values[np.isfinite(values)], edges)[0]
    return counts / (max(counts.sum(), 1) * np.diff(edges))


def _histogram(axes: Axes, x: np.ndarray, real: np.ndarray | None) -> None:
    """Densities of one column: real filled, generated as a line on top."""
    edges = _edges(x, real)
    if real is not None:
        axes.stairs(_density(real, edges), edges, fill=True, color=REAL, alpha=0.35)
    axes.stairs(_density(x, edges), edges, color=GENERATED, linewidth=1.4)
    axes.set(yticks=[], ylim=(0, None))
    axes.spines.left.set_visible(False)


def _legend(figure: Figure, real: np.ndarray | None, shown: int, count: int) -> None:
    """What is what, and how many of the columns there are."""
    handles = [Line2D([], [], color=GENERATED, linewidth=2, label="Generated")]
    if real is not None:
        handles.append(Patch(color=REAL, alpha=0.35, linewidth=0, label="Real, held out"))  # pyright: ignore[reportArgumentType]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    if shown < count:
        figure.supxlabel(f"the first {shown} of {count} columns", fontsize=8, color=MUTED)


@style()
def marginals(x: Array, real: Array | None = None, columns: Sequence[str] | None = None) -> Figure:
    """Histogram of each column, generated over real, on common bins; the first twelve columns.

    Args:
        x: Generated, `[N, D]` (more axes are flattened).
        real: Held out, `[M, D]`.
        columns: D names; "column 1", ... by default.

    Raises: `InvalidInput` when the numbers of columns or names differ.

    Example:
        >>> len(marginals(torch.randn(100, 6), torch.randn(80, 6)).axes)
        6
    """
    a, b, names = _table(x, real, columns)
    shown = min(a.shape[1], _HISTOGRAMS)
    wide = min(shown, 4 if shown > 6 else 3)
    tall = -(-shown // wide)
    figure = Figure(figsize=(WIDTH, 1.75 * tall + 0.4), layout="constrained")
    _legend(figure, b, shown, a.shape[1])
    grid = figure.add_gridspec(tall, wide)
    for i in range(shown):
        axes = figure.add_subplot(grid[divmod(i, wide)])
        _histogram(axes, a[:, i], None if b is None else b[:, i])
        axes.set_title(names[i], fontsize=9, loc="left")
    return figure


@style()
def pairs(x: Array, real: Array | None = None, columns: Sequence[str] | None = None) -> Figure:
    """The first columns two at a time: generated below the diagonal, real mirrored above it, both on one scale.

    Args:
        x: Generated, `[N, D]`, D >= 2; the first four columns are shown.
        real: Held out, `[M, D]`.
        columns: D names; "column 1", ... by default.

    Raises: `InvalidInput` when there is one column only, or the numbers of columns or names differ.

    Example:
        >>> len(pairs(torch.randn(100, 6), torch.randn(80, 6)).axes)  # four histograms, six pairs twice
        16
    """
    a, b, names = _table(x, real, columns)
    require(a.shape[1] >= 2, "x has one column, expected two or more; use marginals")
    d = min(a.shape[1], _PAIRS)
    limits = [span(a[:, k], None if b is None else b[:, k]) for k in range(d)]
    figure = Figure(figsize=(WIDTH, 0.9 * WIDTH), layout="constrained")
    _legend(figure, b, d, a.shape[1])
    grid = figure.add_gridspec(d, d)
    for i, j in product(range(d), repeat=2):
        values, colour = (a, GENERATED) if i >= j else (b, REAL)
        if values is None:
            continue
        axes = figure.add_subplot(grid[i, j])
        if i == j:
            _histogram(axes, a[:, i], None if b is None else b[:, i])
            axes.set_title(names[i], fontsize=9, loc="left")
        else:
            axes.scatter(values[:_MOST, j], values[:_MOST, i], s=3, color=colour, alpha=0.5, linewidths=0)
            pad = 0.04 * (limits[i][1] - limits[i][0])
            axes.set_ylim(limits[i][0] - pad, limits[i][1] + pad)
        pad = 0.04 * (limits[j][1] - limits[j][0])
        axes.set_xlim(limits[j][0] - pad, limits[j][1] + pad)
        axes.tick_params(labelbottom=i == d - 1, labelleft=j == 0 and i > 0)
    return figure
