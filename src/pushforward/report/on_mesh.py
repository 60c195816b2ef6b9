"""Points and densities on the surface of a mesh."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from pushforward.core import require
from pushforward.report.arrays import Array, points, to_numpy
from pushforward.report.style import GENERATED, WIDTH, style

__all__ = ["on_mesh"]

_MOST = 4000  # points in a panel
_LIGHT = np.array([0.3, 0.5, 0.81])  # where it comes from, beside and above the eye
_PALE = LinearSegmentedColormap.from_list("pale", ["#f1f3f7", "#9dbcf0", GENERATED, "#123a86"])


def _turned(azimuth: float, elevation: float) -> np.ndarray:
    """Right, up and towards the eye, as rows; models stand on y = 0, as OBJ files have them."""
    a, e = np.deg2rad([azimuth, elevation])
    right = [np.cos(a), 0, -np.sin(a)]
    eye = [np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)]
    return np.array([right, np.cross(eye, right), eye])


@style()
def on_mesh(
    vertices: Array,
    faces: Array,
    density: Array | None = None,
    x: Array | None = None,
    *,
    views: tuple[tuple[float, float], ...] = ((-40.0, 15.0), (140.0, 15.0)),
) -> Figure:
    """A mesh from several sides, coloured by a function of its vertices, and with points on it.

    A density has a row of its own above the points, so that both can be compared; what faces away is hidden.

    Args:
        vertices: `[V, 3]`.
        faces: `[F, 3]`.
        density: A value for every vertex `[V]`.
        x: Points of the surface `[N, 3]`.
        views: Azimuth and elevation in degrees, one panel each; azimuth 0 looks along -z, and y is up.

    Raises: `InvalidInput` for points that are not in space, and for a density of another length.

    Example:
        >>> ball = pf.spaces.Mesh.icosphere(2)
        >>> len(on_mesh(ball.vertices, ball.faces, ball.vertices[:, 2], ball.noise(torch.empty(9, 3))).axes)
        5
    """
    v, f = points(vertices, 3, "vertices"), to_numpy(faces)
    values = None if density is None else to_numpy(density).astype(np.float64)
    require(
        values is None or values.shape == v.shape[:1],
        f"density has shape {None if values is None else list(values.shape)}, expected [{len(v)}], one for each vertex",
    )
    spots = None if x is None else points(x, 3)[:_MOST]
    rows = [row for row, shown in (("density", values is not None), ("points", spots is not None)) if shown] or [""]
    panel = WIDTH / max(len(views), 2)
    figure = Figure(figsize=(panel * len(views), panel * len(rows)), layout="compressed")
    grid = figure.subplots(len(rows), len(views), squeeze=False)
    high = 1.0 if values is None else float(values.max())
    colours = ScalarMappable(Normalize(0.0 if values is None else min(0.0, float(values.min())), high), _PALE)
    for axes_row, row in zip(grid, rows, strict=True):
        for axes, view in zip(axes_row, views, strict=True):
            frame = _turned(*view)
            plain = np.full(len(f), colours.norm.vmin)
            mean = values[f].mean(1) if row == "density" and values is not None else plain
            axes.add_collection(_faces(v @ frame.T, f, colours.to_rgba(mean)[:, :3]))
            if row == "points" and spots is not None:
                near = spots[_seen(spots @ frame.T, v @ frame.T, f)] @ frame.T
                axes.scatter(*near[:, :2].T, s=4, color=GENERATED, alpha=0.6, linewidths=0, zorder=3)
            axes.autoscale_view()
            axes.set_aspect("equal")
            axes.set_axis_off()
        axes_row[0].set_title(row.capitalize(), loc="left")
    if rows[0] == "density":
        bar = figure.colorbar(colours, ax=list(grid.flat), shrink=0.4)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _faces(v: np.ndarray, f: np.ndarray, colours: np.ndarray) -> PolyCollection:
    """The faces, farthest first, in these colours `[F, 3]`, with light from above the eye."""
    corners = v[f]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30
    light = 0.7 + 0.3 * np.abs(normal @ _LIGHT)[:, None]
    order = np.argsort(corners[:, :, 2].mean(1))
    return PolyCollection(
        list(corners[order, :, :2]), facecolors=(colours * light)[order], edgecolors="face", linewidths=0.2
    )


def _seen(x: np.ndarray, v: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Which points no face hides: those in front of all faces that cover them, but for a hundredth of the size."""
    corners = v[f]
    a, u, w = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    det = u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]
    det = np.where(np.abs(det) < 1e-12, np.inf, det)
    margin = 0.01 * np.ptp(v[:, 2])
    seen = []
    for block in np.array_split(x, max(len(x) * len(f) // 4_000_000, 1)):
        p = block[:, None, :2] - a[:, :2]
        s = (p[..., 0] * w[:, 1] - p[..., 1] * w[:, 0]) / det
        t = (u[:, 0] * p[..., 1] - u[:, 1] * p[..., 0]) / det
        covers = (s >= 0) & (t >= 0) & (s + t <= 1)
        depth = np.where(covers, a[:, 2] + s * u[:, 2] + t * w[:, 2], -np.inf).max(1)
        seen.append(block[:, 2] >= depth - margin)
    return np.concatenate(seen)
