"""The picture of `particles`."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from pushforward.data import DoubleWellParticles

__all__ = ["figure"]

COLOURS = ("#e08a1e", "#2f9e6e", "#2f6fde", "#b05cc6")
GREY = "#c3c9d2"


def figure(law: DoubleWellParticles, held: Tensor, methods: Mapping[str, Tensor]) -> bytes:
    """A PNG: histograms of energies and of pair distances, held-out draws in grey and every method as a line.

    Args:
        law: Whose energies.
        held: Draws of it `[n, N, d]`.
        methods: Samples `[n, N, d]` by name.
    """
    page = Figure(figsize=(9, 3.4), layout="constrained", dpi=150)
    energies = law.energy(held).numpy()
    low, high = np.quantile(energies, 0.001), np.quantile(energies, 0.999)
    panels = (
        (law.energy, np.linspace(low - 1, high + 4, 60), "energy, kT"),
        (lambda x: law.distances(x).flatten(), np.linspace(0, float(law.distances(held).max()) + 1, 80), "distance"),
    )
    for axes, (measure, bins, name) in zip(page.subplots(1, 2), panels, strict=True):
        axes.hist(measure(held).numpy(), bins, density=True, color=GREY, label="held-out draws")
        for colour, (method, x) in zip(COLOURS, methods.items(), strict=False):
            value = measure(x).numpy()
            # shares of all samples, those outside of the picture included
            height = np.histogram(value, bins)[0] / (len(value) * np.diff(bins))
            style = {"linestyle": ":"} if method == "noise" else {}
            axes.stairs(height, bins, color=colour, label=method, linewidth=1.2, **style)
        axes.set(xlabel=name, ylabel="density", xlim=(bins[0], bins[-1]))
        axes.spines[["top", "right"]].set_visible(False)
    page.axes[0].legend(frameon=False, fontsize=8)
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()
