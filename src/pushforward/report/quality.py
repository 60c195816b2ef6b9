"""How good the samples are: the part of the page with the figures of merit."""

from pushforward.report.markup import Markup, command, scroll, section, tag
from pushforward.report.run import Run, quoted
from pushforward.report.scores import Score, meaning, number, scores

__all__ = ["quality"]

_TILES = 4
_FIRST = (
    "class_accuracy",
    "wasserstein",
    "copies",
    "frechet",
    "trigram_distance",
)  # one figure each of fidelity, distance, and novelty
_HEAD = ("Metric", "Value", "Floor", "Ratio", "Better", "What it says")
_NOTE = (
    "The floor is the best that can be expected: what held-out real data reach in the same measurement. "
    "A ratio of 1 means as good as real; a figure without a floor only serves to compare runs."
)


def _ratio(score: Score) -> str:
    return number(None) if score.ratio is None else f"{score.ratio:.3g}"


def _tile(score: Score) -> Markup:
    beside = f"floor {number(score.floor)}" + (f" · ratio {_ratio(score)}" if score.ratio is not None else "")
    title, value = tag("p", meaning(score.name).title, class_="name"), tag("p", number(score.value), class_="value")
    return tag("div", title, value, tag("p", beside))


def _row(score: Score) -> Markup:
    title, better, text = meaning(score.name)
    figures = (number(score.value), number(score.floor), _ratio(score))
    return tag(
        "tr",
        tag("th", title, tag("code", score.name), scope="row"),
        *(tag("td", figure, class_="number") for figure in figures),
        tag("td", better),
        tag("td", text),
    )


def quality(run: Run) -> Markup:
    """The metrics of a run: those with a floor in large type, and all of them in a table with what they mean."""
    if not run.metrics:
        return section("Quality", command("Not evaluated yet. To measure it:", f"pushforward evaluate {quoted(run)}"))
    found = scores(run.metrics)
    shown = {key for score in found for key in (score.name, f"{score.name}_floor")}
    words = {key: str(value) for key, value in run.metrics.items() if key not in shown}
    floored = [score for score in found if score.floor is not None]
    # sorting is stable: what is not among the first keeps its place behind them
    floored.sort(key=lambda score: _FIRST.index(score.name) if score.name in _FIRST else len(_FIRST))
    tiles = [_tile(score) for score in floored[:_TILES]]
    head = tag("tr", *(tag("th", title, scope="col") for title in _HEAD))
    rows = [_row(score) for score in found]
    rows += [
        tag("tr", tag("th", tag("code", key), scope="row"), tag("td", value, colspan="5"))
        for key, value in words.items()
    ]
    return section(
        "Quality",
        tag("div", *tiles, class_="tiles") if tiles else Markup(),
        scroll("Metrics", tag("table", tag("thead", head), tag("tbody", *rows))),
        tag("p", _NOTE, class_="note"),
    )
