"""Runs side by side, a panel per metric."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pushforward.core import require
from pushforward.report.scores import Score, meaning, number
from pushforward.report.style import GENERATED, MUTED, REAL, WIDTH, style

__all__ = ["compare_bars"]


@style()
def compare_bars(runs: Mapping[str, list[Score]]) -> Figure:
    """A bar per run for every metric; a mark on the bar is the floor, what real data reach.

    Args:
        runs: Scores by run; a run without some metric has no bar there.

    Raises: `InvalidInput` when no run has a score.

    Example:
        >>> len(compare_bars({"a": [Score("mmd", 0.2, 0.1)], "b": [Score("mmd", 0.3, 0.1)]}).axes)
        1
    """
    metrics = list(dict.fromkeys(score.name for scores in runs.values() for score in scores))
    require(bool(metrics), "none of the runs has metrics; run pushforward evaluate on each first")
    wide = min(len(metrics), 2)
    tall = -(-len(metrics) // wide)
    figure = Figure(figsize=(WIDTH, tall * (0.32 * len(runs) + 0.75) + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(tall, wide, sharey=True)).ravel()
    for axes, name in zip(panels, metrics, strict=False):
        title, better, _ = meaning(name)
        found = [
            (i, s) for i, scores in enumerate(runs.values()) for s in scores if s.name == name and np.isfinite(s.value)
        ]
        axes.barh([i for i, _ in found], [s.value for _, s in found], height=0.62, color=GENERATED, alpha=0.85)
        for i, s in found:  # in a column of their own: beside the floor's mark a number would seem to be the floor's
            place, told = (1.0, i), number(s.value)
            axes.annotate(told, place, (6, 0), axes.get_yaxis_transform(), "offset points", va="center", fontsize=8)
        floors = [(i, s.floor) for i, s in found if s.floor is not None]
        axes.vlines(
            [f for _, f in floors], [i - 0.42 for i, _ in floors], [i + 0.42 for i, _ in floors], REAL, linewidth=2
        )
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_title(
            f"{better} is better" if better else "", loc="right", fontsize=8, color=MUTED, fontweight="normal"
        )
        axes.set_yticks(range(len(runs)), list(runs))
        axes.tick_params(axis="y", length=0)
        ends = [s.value for _, s in found] + [f for _, f in floors]
        if min(ends, default=0) >= 0:
            axes.set_xlim(0, 1.06 * max(ends, default=0) or 1)
        axes.grid(visible=True, axis="x")
    panels[0].set_ylim(len(runs) - 0.4, -0.6)  # first run on top
    for axes in panels[len(metrics) :]:
        axes.remove()
    if any(score.floor is not None for scores in runs.values() for score in scores):
        mark = Line2D([], [], color=REAL, marker="|", markersize=10, markeredgewidth=2, linestyle="", label="floor")
        figure.legend(handles=[mark], loc="outside upper right")
    return figure
