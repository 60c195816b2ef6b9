"""The picture of `three_marginals`."""

from collections.abc import Mapping, Sequence
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

__all__ = ["figure"]

BLUE, GREY = "#2f6fde", "#8b95a5"


def figure(
    names: Sequence[str],
    marginals: Sequence[Tensor],
    methods: Mapping[str, Mapping[tuple[int, int], tuple[Tensor, float]]],
) -> bytes:
    """A PNG: for every method a square of panels, row i and column j showing where i was carried to j.

    Args:
        names: Of the marginals.
        marginals: Draws of each `[n, 2]`, on the diagonals.
        methods: Samples `[n, 2]` and W2 of every direction, by name.
    """
    size = len(names)
    page = Figure(figsize=(1.9 * size * len(methods), 2.05 * size + 0.4), layout="constrained", dpi=150)
    for part, (method, found) in zip(page.subfigures(1, len(methods), squeeze=False)[0], methods.items(), strict=True):
        part.suptitle(method, fontsize=10)
        grid = part.subplots(size, size)
        for i in range(size):
            for j in range(size):
                axes = grid[i, j]
                x, title = (marginals[i], names[i]) if i == j else (found[i, j][0], "")
                if i != j:
                    title = f"{names[i]} -> {names[j]}\nW2 {found[i, j][1]:.3f}"
                axes.scatter(*x.T.numpy(), s=1, color=GREY if i == j else BLUE, alpha=0.5, linewidths=0)
                axes.set_title(title, fontsize=7)
                axes.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal")
                axes.set_axis_off()
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()
