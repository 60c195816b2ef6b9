"""One look for all pictures: colours that keep their meaning, one width, nothing global."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib.style
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

__all__ = ["CLASSES", "DPI", "FAINT", "FLOW", "GENERATED", "INK", "MUTED", "REAL", "SOURCE", "WIDTH", "png", "style"]

DPI = 150
WIDTH = 8.0  # inches; full-width pictures share it, so that type has one size down the page

INK, MUTED, FAINT = "#1f2733", "#5b6575", "#dde2ea"
SOURCE, GENERATED, REAL = "#8b95a5", "#2f6fde", "#e07b1a"
# Okabe & Ito's colours for colour-blind readers, their yellow darkened for white paper, then three more
CLASSES = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#c9b400",
    "#6b4fa0",
    "#7f7f7f",
    "#8c564b",
)
FLOW = LinearSegmentedColormap.from_list("flow", ["#c3cad5", "#8aa9e6", GENERATED])

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same bytes on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#c3cad5",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#edf0f4",
    "text.color": INK,
    "xtick.color": "#c3cad5",
    "ytick.color": "#c3cad5",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": DPI,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with this look, whatever the user's own settings are, and leave those as they were.

    A context manager that also decorates functions.
    """
    with matplotlib.style.context(["default", _RC]):
        yield


@style()
def png(figure: Figure) -> bytes:
    """The picture as PNG; the same figure gives the same bytes."""
    buffer = BytesIO()
    # by default the version of matplotlib is written into the file
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
