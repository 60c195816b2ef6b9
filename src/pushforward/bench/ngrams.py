"""Models of text that only count: what a flow of characters has to beat."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from pushforward.core import require

__all__ = ["chosen_discount", "kneser_ney", "nats"]

DISCOUNTS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def _counts(text: Tensor, order: int, vocab: int) -> Tensor:
    """How often every word of `order` symbols occurs, `[vocab] * order`."""
    weights = vocab ** torch.arange(order - 1, -1, -1)
    words = (text.long().unfold(0, order, 1) * weights).sum(-1)
    return torch.bincount(words, minlength=vocab**order).double().reshape([vocab] * order)


def kneser_ney(text: Integer[Tensor, " n"], order: int, vocab: int, discount: float) -> Tensor:
    r"""Interpolated Kneser-Ney model of a text: the chances of a symbol after `order - 1` others.

    .. math:: p(w \mid h) = \frac{(c(h w) - D)_+}{c(h)} + \frac{D\, N(h)}{c(h)}\, p(w \mid h'), \qquad
              N(h) = |\{w : c(h w) > 0\}|

    with h' the history without its oldest symbol; shorter models count in how many contexts a word occurs, not how
    often. The last of them is the share of all symbols, each counted once more. Histories that never occur are left to
    the shorter model.

    Source: Chen & Goodman, An empirical study of smoothing techniques for language modeling (1999),
        https://doi.org/10.1006/csla.1999.0128, with one discount.

    Args:
        text: Symbols 0 to vocab - 1.
        order: 1 for shares of symbols, 3 for trigrams.
        vocab: Number of symbols.
        discount: D, in (0, 1).

    Returns: `[vocab] * order`, of sum 1 over the last axis.

    Example:
        >>> kneser_ney(torch.tensor([0, 1, 0, 1, 0, 1]), 2, 2, 0.5)[0, 1] > 0.8
        tensor(True)
    """
    require(order >= 1 and 0 < discount < 1, f"got order={order} and discount={discount}, expected >= 1 and in (0, 1)")
    counts = [_counts(text, order, vocab)]
    while counts[-1].ndim > 1:
        counts.append((counts[-1] > 0).sum(0).double())  # in how many contexts
    shares = counts.pop() + 1
    p = shares / shares.sum()
    for count in reversed(counts):
        total, kinds = count.sum(-1, keepdim=True), (count > 0).sum(-1, keepdim=True)
        known = (count - discount).clamp_min(0) / total + discount * kinds / total * p
        p = torch.where(total > 0, known, p.expand_as(count))
    return p


def chosen_discount(text: Integer[Tensor, " n"], order: int, vocab: int) -> float:
    """The discount that says most of the last tenth of a text, of what the rest tells."""
    held = len(text) // 10
    known, told = text[:-held], text[-held:]
    return min(DISCOUNTS, key=lambda discount: nats(kneser_ney(known, order, vocab, discount), told))


def nats(model: Float[Tensor, "..."], text: Integer[Tensor, " n"]) -> float:
    """Mean of -log p over the symbols of a text that have as much before them as the model looks at.

    Example:
        >>> round(nats(torch.tensor([0.5, 0.5]), torch.tensor([0, 1, 1])), 4)
        0.6931
    """
    words = text.long().unfold(0, model.ndim, 1)
    return float(-model[tuple(words.unbind(-1))].log().mean())
