"""Backbone torsions of proteins."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pushforward.core import require
from pushforward.report.arrays import Array, points, to_numpy
from pushforward.report.style import GENERATED, INK, REAL, WIDTH, style

__all__ = ["ramachandran"]

_BINS = 90
_LEVELS = (0.0005, 0.02)  # MolProbity's borders of what is allowed and what is favoured, for the general plot
_TICKS = (-180, -90, 0, 90, 180)


@style()
def ramachandran(x: Array, real: Array | None = None, *, levels: Array | None = None) -> Figure:
    """The Ramachandran plot: phi across, psi upwards, in degrees; density by colour, on a scale of logarithms.

    Args:
        x: Generated torsions in radians `[N, D]`, D >= 2, phi and psi first; of any period.
        real: Held-out torsions, likewise, in a panel of their own.
        levels: A percentile for every square of the plane `[K, K]`, phi first, from -180 degrees on, as
            `ramachandran_grids.npz` of the Top8000 data holds them; outlines of favoured (0.02) and allowed (0.0005)
            regions are drawn, and the share of points outside the latter is told.

    Raises: `InvalidInput` for fewer than two angles, and for levels that are no square.

    Example:
        >>> len(ramachandran(torch.randn(50, 2), torch.randn(50, 4)).axes)
        3
    """
    panels = [("Generated" if real is not None else "Torsions", _degrees(x, "x"), GENERATED)]
    if real is not None:
        panels.append(("Real, held out", _degrees(real, "real"), REAL))
    known = None if levels is None else to_numpy(levels)
    require(
        known is None or (known.ndim == 2 and known.shape[0] == known.shape[1]),
        f"levels have shape {None if known is None else list(known.shape)}, expected [K, K]",
    )
    edges = np.linspace(-180, 180, _BINS + 1)
    area = (360 / _BINS) ** 2
    counts = [np.histogram2d(*a.T, bins=(edges, edges))[0] / (len(a) * area) * 360**2 for _, a, _ in panels]
    high, low = max(float(c.max()) for c in counts), min(float(c[c > 0].min()) for c in counts)
    figure = Figure(figsize=(WIDTH, 3.8 if real is not None else 5.5), layout="compressed")
    axes_row = np.atleast_1d(figure.subplots(1, len(panels), sharex=True, sharey=True))
    image = None
    for axes, (title, a, colour), count in zip(axes_row, panels, counts, strict=True):
        shown, norm = np.where(count > 0, count, np.nan).T, LogNorm(low / 2, high)
        image = axes.pcolormesh(edges, edges, shown, cmap="Blues", norm=norm, rasterized=True)
        note = ""
        if known is not None:
            size = 360 / len(known)
            centers = -180 + size * (np.arange(len(known)) + 0.5)
            axes.contour(centers, centers, known.T, _LEVELS, colors=INK, linewidths=(0.6, 1.0), linestyles=("--", "-"))
            cell = ((a + 180) // size).astype(int) % len(known)
            note = f"  {(known[cell[:, 0], cell[:, 1]] < _LEVELS[0]).mean():.2%} outliers"
        axes.axhline(0, color=INK, linewidth=0.3)
        axes.axvline(0, color=INK, linewidth=0.3)
        axes.set(xlim=(-180, 180), ylim=(-180, 180), aspect="equal", xticks=_TICKS, yticks=_TICKS, xlabel="phi")
        axes.set_title(title + note, color=colour, loc="left")
    axes_row[0].set_ylabel("psi")
    assert image is not None
    bar = figure.colorbar(image, ax=axes_row[-1], shrink=0.8, label="density / uniform")
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _degrees(x: Array, name: str) -> np.ndarray:
    """The first two angles in [-180, 180)."""
    a = points(x, None, name)
    require(a.shape[1] >= 2, f"{name} has rows of {a.shape[1]} value(s), expected phi and psi at least")
    return (np.rad2deg(a[:, :2]) + 180) % 360 - 180
