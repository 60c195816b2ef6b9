"""The picture of `two_dim`."""

from collections.abc import Mapping
from io import BytesIO

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

__all__ = ["figure"]

BLUE, ORANGE, GREY = "#2f6fde", "#e07b1a", "#8b95a5"


def figure(
    source: Float[Tensor, "n 2"],
    target: Float[Tensor, "n 2"],
    methods: Mapping[str, tuple[Tensor, float]],
    *,
    title: str,
    floor: float,
) -> bytes:
    """A PNG: source, target, the samples of every method; below, their distances to the target.

    Args:
        source: Where the samples started.
        target: Where they should arrive.
        methods: Samples `[n, 2]` and W2 by name.
        title: Of the page.
        floor: W2 of the exact answer, a line across the bars.
    """
    panels = [
        ("source", source, GREY),
        ("target", target, ORANGE),
        *((name, x, BLUE) for name, (x, _) in methods.items()),
    ]
    wide = 4
    tall = -(-len(panels) // wide)
    low = 0.35 * len(methods) + 0.9
    page = Figure(figsize=(2.2 * wide, 2.0 * tall + low), layout="constrained", dpi=150)
    page.suptitle(title)
    grid = page.add_gridspec(tall + 1, wide, height_ratios=[2.0] * tall + [low])
    for k, (name, x, colour) in enumerate(panels):
        axes = page.add_subplot(grid[k // wide, k % wide])
        shown = x[:: max(1, len(x) // 2000)]  # the target is sorted along its moons
        axes.scatter(*shown.T.numpy(), s=1, color=colour, alpha=0.5, linewidths=0)
        axes.set_title(name, fontsize=8)
        axes.set(xlim=(-7.5, 7.5), ylim=(-7.5, 7.5), aspect="equal")
        axes.set_axis_off()
    _bars(page.add_subplot(grid[tall, :]), methods, floor)
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()


def _bars(axes: Axes, methods: Mapping[str, tuple[Tensor, float]], floor: float) -> None:
    bars = axes.barh(list(methods), [distance for _, distance in methods.values()], color=BLUE)
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    axes.axvline(floor, color=ORANGE)
    axes.set_title(f"exact W2 to the target (line: exact answer, {floor:.3f})", loc="left", fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
