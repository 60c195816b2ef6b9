"""Points of the plane: where they start, where they are brought, where they should be."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pushforward.report.arrays import Array, class_labels, class_name, points, span
from pushforward.report.style import CLASSES, GENERATED, REAL, SOURCE, WIDTH, style

__all__ = ["scatter"]

_MOST = 5000  # points in a panel; more only make the picture heavier


def _colours(labels: np.ndarray | None, plain: str) -> np.ndarray | str:
    """A colour per class where there are labels, `plain` otherwise."""
    if labels is None:
        return plain
    return np.array([*CLASSES, plain])[np.where(labels < 0, -1, labels % len(CLASSES))]


def _legend(figure: Figure, labels: np.ndarray | None, names: Sequence[str] | None) -> None:
    """Which colour is which class, while there is a colour for each."""
    if labels is None or labels.max() >= len(CLASSES):
        return
    handles = [
        Line2D(
            [],
            [],
            color=CLASSES[c],
            marker="o",
            markersize=5,
            linestyle="",
            label=class_name(int(c), names) if names else f"class {c}",
        )
        for c in np.unique(labels[labels >= 0])
    ]
    wide = 10 if names is None else 5  # names are longer than numbers
    figure.legend(handles=handles, loc="outside lower left", ncols=wide, handletextpad=0.1, columnspacing=1.2)


@style()
def scatter(
    x: Array,
    real: Array | None = None,
    source: Array | None = None,
    cond: Array | None = None,
    real_cond: Array | None = None,
    *,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Source, generated and real points side by side, all on the same axes; classes by colour where there are any.

    Args:
        x: Generated, `[N, 2]`.
        real: Held out, `[M, 2]`.
        source: Where the generated points started, `[N, 2]`.
        cond: Labels of `x`, integers `[N]`; -1 means none.
        real_cond: Labels of `real`.
        class_names: What the labels 0, 1, ... mean.

    Raises: `InvalidInput` when the points are not in the plane.

    Example:
        >>> len(scatter(torch.randn(100, 2), real=torch.randn(50, 2)).axes)
        2
    """
    labels = class_labels(cond, len(x), "cond")
    panels = [("Generated", points(x, 2), labels, GENERATED)]
    if source is not None:
        panels.insert(0, ("Source", points(source, 2, "source"), None, SOURCE))
    if real is not None:
        panels.append(
            ("Real, held out", points(real, 2, "real"), class_labels(real_cond, len(real), "real_cond"), REAL)
        )
    limits = [span(*(a[:, k] for _, a, _, _ in panels)) for k in range(2)]
    (left, right), (low, high) = [(a - 0.05 * (b - a), b + 0.05 * (b - a)) for a, b in limits]
    panel = (WIDTH - 0.6) / max(len(panels), 2)
    height = panel * float(np.clip((high - low) / (right - left), 0.4, 1.6))
    figure = Figure(figsize=(WIDTH, height + (0.65 if labels is None else 0.95)), layout="compressed")
    axes_row = np.atleast_1d(figure.subplots(1, len(panels), sharex=True, sharey=True))
    for axes, (title, a, known, plain) in zip(axes_row, panels, strict=True):
        size = float(np.clip(6000 / len(a), 2, 14))
        colours = _colours(None if known is None else known[:_MOST], plain)
        axes.scatter(*a[:_MOST].T, s=size, c=colours, alpha=0.6, linewidths=0)
        axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
        axes.grid(visible=True)
        axes.set_title(title, color=plain, loc="left")
    _legend(figure, labels, class_names)
    return figure
