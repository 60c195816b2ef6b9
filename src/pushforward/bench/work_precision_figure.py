"""The picture of `work_precision`."""

from collections.abc import Mapping
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["figure"]

# a colour for every family, a line for every order
FAMILIES = {
    "Euler": "#8b95a5",
    "Heun": "#555d6b",
    "RK4": "#20252d",
    "Dopri5": "#a06cd5",
    "Adams-Bashforth": "#2f6fde",
    "Adams PE": "#1aa3a3",
    "DPM-Solver++": "#e07b1a",
    "UniPC": "#d43d51",
}
LINES = {"2": "-", "3": "--", "4": ":"}


def figure(panels: Mapping[str, Mapping[str, Mapping[int, float]]], *, wide: int = 3) -> bytes:
    """A PNG: error against evaluations, both logarithmic, one panel for every case.

    Args:
        panels: Case to method to evaluations to error.
        wide: Panels in a row.
    """
    tall = -(-len(panels) // wide)
    page = Figure(figsize=(4.2 * wide, 3.4 * tall + 1.2), layout="constrained", dpi=130)
    axes = page.subplots(tall, wide, sharex=True, sharey=True, squeeze=False)
    for place, (case, methods) in zip(axes.flat, panels.items(), strict=False):
        for method, errors in methods.items():
            if not errors:
                continue
            colour = next(c for family, c in FAMILIES.items() if method.startswith(family))
            order = next((d for d in LINES if d in method.removeprefix("RK4")), "2")
            marker = "o" if "PECE" not in method else "s"
            place.loglog(
                list(errors),
                list(errors.values()),
                LINES[order],
                color=colour,
                marker=marker,
                ms=3,
                lw=1.3,
                label=method,
            )
        place.set_title(case, fontsize=9)
        place.grid(visible=True, which="major", alpha=0.25)
        place.set_xticks([8, 16, 32, 64], ["8", "16", "32", "64"])
        place.minorticks_off()
    for place in axes[-1]:
        place.set_xlabel("evaluations of the field", fontsize=9)
    for place in axes[:, 0]:
        place.set_ylabel("root mean square error at the end", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    page.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()
