"""The picture of `layout`."""

from collections.abc import Mapping
from io import BytesIO

import matplotlib as mpl
from jaxtyping import Float, Int
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

__all__ = ["figure"]


def figure(
    screens: Mapping[str, tuple[Float[Tensor, "b n 4"], Int[Tensor, "b n"]]],
    real: Float[Tensor, "b n"],
    *,
    labels: int,
    title: str,
    columns: int = 10,
) -> bytes:
    """A PNG: a row of layouts for every method, boxes in the colours of their labels, the same screens in a column.

    Args:
        screens: Boxes (left, top, right, bottom in [0, 1]) and labels by method.
        real: 1 for elements, 0 for padding.
        labels: Their number.
        title: Of the page.
        columns: How many layouts of each are shown.
    """
    colours = mpl.colormaps["turbo"]
    shown = range(min(columns, len(real)))
    page = Figure(figsize=(1.1 * columns, 2.0 * len(screens) + 0.4), layout="constrained", dpi=110)
    page.suptitle(title)
    grid = page.subplots(len(screens), len(shown), squeeze=False)
    for axes_row, (name, (boxes, label)) in zip(grid, screens.items(), strict=True):
        axes_row[0].set_title(name, loc="left", fontsize=8)
        for k, axes in zip(shown, axes_row, strict=True):
            elements = boxes[k][real[k] > 0].tolist()
            named = label[k][real[k] > 0].tolist()
            large_first = sorted(zip(elements, named, strict=True), key=lambda e: -_area(e[0]))
            for (left, top, right, bottom), which in large_first:
                colour = colours((which + 0.5) / labels)
                axes.add_patch(
                    Rectangle(
                        (left, top), right - left, bottom - top, facecolor=(*colour[:3], 0.25), edgecolor=colour, lw=0.8
                    )
                )
            axes.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02), xticks=[], yticks=[])
            axes.set_box_aspect(16 / 9)
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()


def _area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
