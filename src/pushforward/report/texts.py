"""Samples of symbols, as texts."""

from collections.abc import Sequence

import numpy as np
import torch

from pushforward.core import InvalidInput
from pushforward.data import Tokeniser, rebuild_tokeniser
from pushforward.report.arrays import class_labels
from pushforward.report.markup import Markup, scroll, tag
from pushforward.report.run import Run

__all__ = ["read_by", "spelt", "texts"]

SHOWN = 12
STATES = 6  # of one way from source to data
MASK, LINE = "·", "⏎"


def read_by(run: Run) -> Tokeniser | None:
    """The tokeniser of a run; None where symbols are numbers, or this version does not know it.

    Raises: `InvalidInput` for a header that `train` did not write.
    """
    described = run.frame.get("tokeniser")
    if described is None:
        return None
    try:
        return rebuild_tokeniser(described)
    except InvalidInput:
        return None
    except (TypeError, KeyError, AttributeError):
        raise InvalidInput(
            f"{run.path / 'model.safetensors'} has a damaged header; restore it or train again"
        ) from None


def spelt(row: np.ndarray, tokeniser: Tokeniser | None) -> str:
    """One state of symbols as a text in which masks are dots, and padding is left out; numbers without a tokeniser.

    Example:
        >>> spelt(np.array([2, 4, 0, 0]), pf.data.DNA())
        'G·AA'
    """
    if tokeniser is None:
        return " ".join(str(symbol) for symbol in row.tolist())
    symbols, size = [*tokeniser.symbols, *[""] * (tokeniser.padding is not None)], tokeniser.vocab
    return "".join(symbols[symbol] if 0 <= symbol < size else MASK for symbol in row.tolist())


def texts(run: Run) -> list[Markup]:
    """Panels of generated and held-out texts, and of the way that one of them took."""
    arrays, tokeniser = run.samples or {}, read_by(run)
    panels: list[Markup] = []
    told = {
        "x": ("Samples", "cond", "Generated, one after the other."),
        "real": ("Held-out data", "real_cond", "Real rows that the model never saw. Both should look alike."),
    }
    for key, (title, cond, caption) in told.items():
        if key in arrays:
            rows = arrays[key].reshape(len(arrays[key]), -1)[:SHOWN]
            numbers = [spelt(row, None) for row in rows]
            said = numbers if tokeniser is None else tokeniser.decode(torch.as_tensor(rows))
            labels = class_labels(arrays.get(cond), len(arrays[key]), cond)
            panels.append(_panel(title, _marked(said, labels, run.class_names), caption))
    if {"trajectory", "times"} <= arrays.keys():
        way, times = arrays["trajectory"], arrays["times"]
        kept = np.unique(np.linspace(0, len(way) - 1, STATES).round().astype(int))
        lines = [f"t = {times[k]:.2f}  " + spelt(way[k, 0].reshape(-1), tokeniser).replace("\n", LINE) for k in kept]
        caption = f"One sample on its way; {MASK} is a symbol that is masked still" + (
            f", {LINE} the end of a line." if any(LINE in line for line in lines) else "."
        )
        panels.append(_panel("From source to data", "\n".join(lines), caption))
    return panels


def _marked(said: Sequence[str], labels: np.ndarray | None, names: Sequence[str] | None) -> str:
    """Texts one after the other, with what their labels mean; a rule between those of several lines."""
    between = "\n" + "-" * 40 + "\n" if any("\n" in text for text in said) else "\n"
    if labels is None:
        return between.join(said)
    called = [names[label] if names and label < len(names) else str(label) for label in labels[: len(said)].tolist()]
    wide = max(map(len, called), default=0)
    return between.join(f"{name:<{wide}}  {text}" for name, text in zip(called, said, strict=True))


def _panel(title: str, text: str, caption: str) -> Markup:
    return tag(
        "figure",
        scroll(title, tag("pre", text, class_="text")),
        tag("figcaption", tag("b", title + ". "), caption),
    )
