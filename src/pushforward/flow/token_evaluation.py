"""What a flow of symbols learned, against rows that it never saw."""

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.core import Cond, generator_from, take
from pushforward.data import Dataset
from pushforward.flow.flow import Flow
from pushforward.metrics import kmer_distance, with_floor
from pushforward.metrics.kmer_distance import MOST_WORDS

__all__ = ["token_metrics"]

BOUNDED = 256  # held-out rows
STRATA = 4  # evaluations for each
WORDS = {"symbol_distance": 1, "bigram_distance": 2, "trigram_distance": 3}


def token_metrics(
    flow: Flow, samples: Tensor, real: Tensor, real_cond: Cond, *, data: Dataset, seed: int
) -> dict[str, float]:
    """Distances between the shares of short words beside their floors, and the bound of held-out rows.

    `nats_per_symbol` is the bound of -log p by `Flow.elbo`, over all symbols of a row, the padding among them;
    `nats_per_symbol_error` its standard error. There is no bound where the flow starts from data.
    """
    metrics: dict[str, float] = {}
    vocab = cast(int, flow.config.path.space.vocab)  # pyright: ignore[reportAttributeAccessIssue]
    x, test = samples.flatten(1), real.flatten(1)
    train = cast(Tensor, data.train.take(max(10_000, len(x)), seed)[0]).flatten(1)
    chosen = _even(x, len(train))
    generator = generator_from(seed, "floor")
    for name, k in WORDS.items():
        if vocab**k <= MOST_WORDS and k <= x.shape[1]:
            found = with_floor(partial(_distance, k=k, vocab=vocab), chosen, test, train, generator=generator)
            metrics[name], metrics[f"{name}_floor"] = found.value, found.floor
    if data.source is None:
        rows = real[:BOUNDED]
        cond = take(real_cond, torch.arange(len(rows), device=rows.device))
        bound = flow.elbo(rows, cond, strata=STRATA, generator=generator_from(seed, "bound"))
        each = -bound / rows[0].numel()
        metrics["nats_per_symbol"] = float(each.mean())
        metrics["nats_per_symbol_error"] = float(each.std()) / len(each) ** 0.5 if len(each) > 1 else 0.0
    return metrics


def _distance(x: Any, y: Any, k: int, vocab: int) -> Tensor:
    return kmer_distance(x.long(), y.long(), k, vocab=vocab)  # what compares samples makes numbers of symbols


def _even(x: Tensor, n: int) -> Tensor:
    """At most `n` rows, spread evenly over all of them, so that classes that take turns keep their shares."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]
