"""How training went."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pushforward.core import require
from pushforward.report.style import GENERATED, MUTED, REAL, SOURCE, WIDTH, style

__all__ = ["column", "losses", "smooth"]


def smooth(y: Float[np.ndarray, " n"], half: int) -> Float[np.ndarray, " n"]:
    """Mean over up to `half` neighbours on either side, fewer at the ends.

    Example:
        >>> smooth(np.array([0.0, 3.0, 6.0, 0.0]), 1)
        array([1.5, 3. , 3. , 3. ])
    """
    total = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    first, last = np.maximum(i - half, 0), np.minimum(i + half + 1, len(y))
    return (total[last] - total[first]) / (last - first)


def column(history: Sequence[Mapping[str, Any]], key: str) -> Float[np.ndarray, " n"]:
    """What the lines say under `key`; NaN where they say nothing finite."""
    values = np.array([row.get(key) for row in history], dtype=np.float64)  # None becomes NaN
    return np.where(np.isfinite(values), values, np.nan)


@style()
def losses(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss against step, as written (light) and smoothed; held-out loss and learning rate where they were written.

    Args:
        history: The lines of `metrics.jsonl`: `step` with `loss`, `learning_rate`, `validation_loss`, or some of them.

    Raises: `InvalidInput` when no line has a finite loss.

    Example:
        >>> len(losses([{"step": k, "loss": 1 / k, "learning_rate": 1e-3} for k in range(1, 50)]).axes)
        2
    """
    step, loss, held, rate = (column(history, key) for key in ("step", "loss", "validation_loss", "learning_rate"))
    known, validated, rated = (np.isfinite(y) for y in (loss, held, rate))
    require(bool(known.any()), "there is no line with a finite loss; train before drawing losses")
    with_rate = bool(rated.any())
    figure = Figure(figsize=(WIDTH, 3.6 if with_rate else 3.0), layout="constrained")
    ratios = [4, 1] if with_rate else [1]
    panels = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))

    top = panels[0]
    marker = "o" if known.sum() == 1 else ""
    top.plot(step[known], loss[known], color=GENERATED, alpha=0.3, linewidth=0.8, marker=marker)
    mean = smooth(loss[known], int(known.sum()) // 40)
    top.plot(step[known], mean, color=GENERATED, linewidth=1.8, label="training loss, smoothed")
    if validated.any():
        top.plot(step[validated], held[validated], color=REAL, marker="o", markersize=3, label="held-out loss")
    low, high = loss[known].min(), loss[known].max()
    if low > 0 and high > 10 * low:
        top.set_yscale("log")
    top.grid(visible=True)
    top.set_ylabel("loss")
    top.legend(loc="upper right")
    if with_rate:
        panels[1].plot(step[rated], rate[rated], color=SOURCE, linewidth=1.4)
        panels[1].set(ylim=(0, 1.15 * np.nanmax(rate)), yticks=[0, float(np.nanmax(rate))])
        panels[1].set_yticklabels(["0", f"{np.nanmax(rate):.2g}"])
        panels[1].set_title("learning rate", loc="left", fontsize=8, fontweight="normal", color=MUTED, pad=4)
        panels[1].grid(visible=True)
    panels[-1].set_xlabel("step")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    top.margins(x=0.01)
    return figure
