"""The picture of `dna`."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.bench.dna_parts import LETTERS, WORD
from pushforward.report.style import FAINT, GENERATED, MUTED, REAL, WIDTH, png, style

__all__ = ["figure", "ladder", "logo_heights"]

COLOURS = {"A": "#009e73", "C": "#0072b2", "G": "#c9b400", "T": "#d55e00"}
BEFORE, AFTER = 45, 5  # letters around the start of transcription
FONT = FontProperties(family="DejaVu Sans", weight="bold")


def logo_heights(x: Tensor) -> Tensor:
    r"""Heights of letters, `[length, 4]` in bits: the share of each times what is known of the place.

    .. math:: h_{ik} = p_{ik} \Big(2 + \sum_j p_{ij} \log_2 p_{ij}\Big)

    Source: Schneider & Stephens, Sequence logos (1990), https://doi.org/10.1093/nar/18.20.6097, without its correction
        for few sequences.

    Example:
        >>> logo_heights(torch.tensor([[0, 1], [0, 2]]))
        tensor([[2.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.5000, 0.0000]])
    """
    p = one_hot(x, len(LETTERS)).float().mean(0)
    return p * (2 + torch.special.xlogy(p, p).sum(1, keepdim=True) / torch.log(torch.tensor(2.0)))


@style()
def figure(
    real: Tensor,
    label: Tensor,
    made: Tensor,
    asked: Tensor,
    names: Sequence[str],
    *,
    start: int,
    method: str,
) -> bytes:
    """A PNG: for every class of promoters the logo of held-out and of generated ones, and both spectra.

    Args:
        real: Held-out sequences `[n, length]`.
        label: Their classes.
        made: Generated ones `[m, length]`.
        asked: Theirs.
        names: Of the classes.
        start: Position of the first transcribed letter.
        method: What generated them.
    """
    names = [name.replace(", ", " ") for name in names]
    shown = [c for c, name in enumerate(names) if "promoter" in name]
    page = Figure(figsize=(WIDTH, 2.6 * len(shown)), layout="constrained")
    grid = page.add_gridspec(2 * len(shown), 2, width_ratios=[3, 1.3])
    for row, c in enumerate(shown):
        parts = {f"{names[c]}s, held out": real[label == c], f"{names[c]}s, {method}": made[asked == c]}
        heights = {title: logo_heights(x)[start - BEFORE : start + AFTER] for title, x in parts.items()}
        top = 1.1 * max(float(h.sum(1).max()) for h in heights.values())
        for k, (title, h) in enumerate(heights.items()):
            axes = page.add_subplot(grid[2 * row + k, 0])
            _logo(axes, h, top)
            axes.set_title(f"{title} ({len(parts[title])})", loc="left", fontsize=8)
        _spectra(page.add_subplot(grid[2 * row : 2 * row + 2, 1]), list(parts.values()), names[c])
    return png(page)


def _logo(axes: Axes, heights: Tensor, top: float) -> None:
    for place, column in enumerate(heights.tolist()):
        floor = 0.0
        for height, letter in sorted(zip(column, LETTERS, strict=True)):
            if height > top / 200:
                outline = TextPath((0, 0), letter, size=1, prop=FONT)
                box = outline.get_extents()
                fit = Affine2D().translate(-box.x0, -box.y0).scale(0.9 / box.width, height / box.height)
                fit = fit.translate(place - BEFORE - 0.45, floor)
                axes.add_patch(PathPatch(outline.transformed(fit), color=COLOURS[letter], linewidth=0))
            floor += height
    axes.set(xlim=(-BEFORE - 0.5, AFTER - 0.5), ylim=(0, top))
    axes.set_ylabel("bits", fontsize=7)
    axes.tick_params(labelsize=7)


def _spectra(axes: Axes, parts: Sequence[Tensor], name: str) -> None:
    places = len(LETTERS) ** torch.arange(WORD)
    words = [(x.unfold(1, WORD, 1) * places).sum(-1).flatten() for x in parts]
    shares = [torch.bincount(w, minlength=len(LETTERS) ** WORD) / len(w) * 100 for w in words]
    most = 1.05 * float(torch.stack(shares).max())
    axes.plot([0, most], [0, most], color=FAINT, linewidth=1)
    axes.scatter(*(s.tolist() for s in shares), s=5, color=GENERATED, alpha=0.6, linewidths=0)
    axes.set(xlim=(0, most), ylim=(0, most), aspect="equal")
    axes.set_title(f"{name}s, words of {WORD}", loc="left", fontsize=7)
    axes.set_xlabel("% of held-out words", fontsize=7)
    axes.set_ylabel("% of generated", fontsize=7)
    axes.tick_params(labelsize=7)


@style()
def ladder(found: Mapping[str, Mapping[float, Mapping[str, float]]]) -> bytes:
    """A PNG: by method and scale what guide and judge say, and below how the samples differ from each other.

    Args:
        found: Figures by method and scale, with `guide`, `judge` and `diversity`.
    """
    page = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    panels = page.subplots(2, len(found), sharey="row", squeeze=False, height_ratios=[2, 1])
    for column, (method, by_scale) in zip(panels.T, found.items(), strict=True):
        places = range(len(by_scale))
        for who, colour in (("guide", GENERATED), ("judge", REAL)):
            column[0].plot(places, [figures[who] for figures in by_scale.values()], color=colour, marker="o", label=who)
        column[1].plot(places, [figures["diversity"] for figures in by_scale.values()], color=MUTED, marker="o")
        column[0].set_title(method, loc="left", fontsize=8)
        column[1].set_xlabel("scale", fontsize=7)
        for axes in column:
            axes.set_xticks(places, [f"{scale:g}" for scale in by_scale])
            axes.tick_params(labelsize=7)
    panels[0, 0].legend(fontsize=7)
    panels[0, 0].set_ylabel("log p(promoter), nats", fontsize=7)
    panels[1, 0].set_ylabel("diversity", fontsize=7)
    return png(page)
