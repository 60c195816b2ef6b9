"""Points of the sphere, on an equal-area map."""

import numpy as np
from matplotlib.figure import Figure

from pushforward.report.arrays import Array, points
from pushforward.report.style import FAINT, GENERATED, MUTED, REAL, WIDTH, style

__all__ = ["on_earth"]

_MOST = 5000  # points in a panel
_MERIDIANS, _PARALLELS = np.deg2rad(np.arange(-120, 121, 60)), np.deg2rad(np.arange(-60, 61, 30))


@style()
def on_earth(x: Array, real: Array | None = None, *, width: float = 5.0) -> Figure:
    """Points of the unit sphere on Mollweide maps, above a smoothed density; equal areas of map are equal areas.

    The density is that of von Mises-Fisher bumps at the points, relative to the uniform one, in one colour scale for
    both maps. The pole is z, and the middle of the map is x: latitude and longitude as `data.EarthPoints` has them.

    Args:
        x: Generated (or any) points `[N, 3]`; what is not of unit length is brought there.
        real: Held-out points `[M, 3]`, on a map of their own.
        width: Of a bump, in degrees, > 0.

    Raises: `InvalidInput` for points that are not in space.

    Example:
        >>> x = pf.spaces.Sphere().noise(torch.empty(50, 3))
        >>> len(on_earth(x, x).axes)
        3
    """
    panels = [("Generated" if real is not None else "Points", points(x, 3), GENERATED)]
    if real is not None:
        panels.append(("Real, held out", points(real, 3, "real"), REAL))
    panels = [(title, a / np.linalg.norm(a, axis=1, keepdims=True).clip(1e-12), c) for title, a, c in panels]
    figure = Figure(figsize=(WIDTH, 2.4 if real is not None else 4.3), layout="constrained")
    axes_row = np.atleast_1d(figure.subplots(1, len(panels), subplot_kw={"projection": "mollweide"}))
    longitude, latitude = np.deg2rad(np.arange(-180, 181, 2.0)), np.deg2rad(np.arange(-90, 91, 2.0))
    across = np.cos(latitude)[:, None]
    grid = np.stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)[:, None] + 0 * longitude], -1
    )
    densities = [_density(grid.reshape(-1, 3), a, np.deg2rad(width)).reshape(grid.shape[:2]) for _, a, _ in panels]
    high = max(float(np.quantile(d, 0.995)) for d in densities)
    filled = None
    for axes, (title, a, colour), density in zip(axes_row, panels, densities, strict=True):
        filled = axes.contourf(
            longitude, latitude, density.clip(0, high), np.linspace(0, high, 13), cmap="Greys", alpha=0.7, zorder=0
        )
        angles = np.arctan2(a[:_MOST, 1], a[:_MOST, 0]), np.arcsin(a[:_MOST, 2].clip(-1, 1))
        size = float(np.clip(3000 / len(a), 1.2, 4))
        axes.scatter(*angles, s=size, color=colour, alpha=0.5, linewidths=0, zorder=3)
        axes.grid(visible=True, color=FAINT, linewidth=0.5, zorder=1)
        axes.set_xticks(_MERIDIANS, [])  # their labels would stand among the points of the equator
        axes.set_yticks(_PARALLELS)
        axes.tick_params(labelsize=6, colors=MUTED)
        axes.set_title(title, color=colour, loc="left")
    assert filled is not None
    bar = figure.colorbar(filled, ax=list(axes_row), shrink=0.8, format="%.0f", label="density / uniform")
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _density(grid: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Mean of bumps k / (2 pi (1 - e^{-2 k})) e^{k (cos - 1)} over the points, times 4 pi; k = 1 / width^2."""
    k = width**-2
    total = sum(np.exp(k * (grid @ part.T - 1)).sum(1) for part in np.array_split(x, max(len(x) // 500, 1)))
    return 2 * k / -np.expm1(-2 * k) * total / len(x)
