"""Many small images as one crisp raster: every image pixel becomes a square of whole screen pixels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pushforward.report.style import DPI

__all__ = ["Grid", "mosaic", "pixel_figure", "show"]

Grid = Sequence[Sequence[np.ndarray | None]]  # rows of images [C, H, W]; None leaves a place empty
_BROKEN = (220, 38, 38)  # a value that is not finite is shown, not hidden


def _paint(image: Float[np.ndarray, "c h w"], low: float, high: float) -> UInt8[np.ndarray, "h w 3"]:
    level = np.broadcast_to(np.moveaxis((image - low) / (high - low), 0, -1), (*image.shape[1:], 3))
    finite = np.isfinite(level).all(-1, keepdims=True)
    return np.where(finite, np.rint(255 * np.where(finite, level, 0.0)), _BROKEN).astype(np.uint8)


def mosaic(grid: Grid, limits: Sequence[tuple[float, float]], width: int) -> UInt8[np.ndarray, "h w 3"]:
    """The images of `grid` side by side on white, enlarged by the whole factor that comes nearest to `width` pixels.

    Args:
        grid: Rows of images `[C, H, W]`, all of one shape, C 1 or 3.
        limits: For each column the values shown as black and as white.
        width: Pixels not to exceed, unless the images alone need more.
    """
    _, h, w = next(image.shape for row in grid for image in row if image is not None)
    gap = max(1, w // 14)
    high, wide = len(grid) * (h + gap) - gap, len(limits) * (w + gap) - gap
    canvas = np.full((high, wide, 3), 255, dtype=np.uint8)
    for r, row in enumerate(grid):
        for c, image in enumerate(row):
            if image is not None:
                top, left = r * (h + gap), c * (w + gap)
                canvas[top : top + h, left : left + w] = _paint(image, *limits[c])
    scale = max(1, width // wide)
    return canvas.repeat(scale, axis=0).repeat(scale, axis=1)


def pixel_figure(width: int, height: int) -> Figure:
    """An empty figure of that many pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI)


def show(figure: Figure, raster: UInt8[np.ndarray, "h w 3"], left: int, top: int) -> Axes:
    """Put `raster` into `figure`, one to one, `left` and `top` pixels from its corner."""
    wide, high = round(figure.get_figwidth() * DPI), round(figure.get_figheight() * DPI)
    h, w = raster.shape[:2]
    axes = figure.add_axes((left / wide, 1 - (top + h) / high, w / wide, h / high))
    axes.imshow(raster, interpolation="nearest", aspect="auto")
    axes.tick_params(length=0)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
