"""What a flow learned, against rows that it never saw."""

from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.config import Evaluation
from pushforward.core import Cond, generator_from, require, take
from pushforward.data import Arrays, Dataset
from pushforward.flow.flow import Flow
from pushforward.flow.token_evaluation import token_metrics
from pushforward.metrics import (
    Floored,
    class_accuracy,
    copies,
    energy_distance,
    frechet,
    precision_recall_coverage,
    sliced_wasserstein,
    wasserstein,
    with_floor,
)
from pushforward.spaces import Tokens

__all__ = ["Evaluated", "evaluate", "usual_conditions"]

LIKELIHOOD_ROWS = 500  # exact divergences cost d evaluations a step
LIKELIHOOD_DIMENSIONS = 16
NEIGHBOURS = 5  # of precision, recall and coverage, which need more rows than that
NEAR = 0.01  # share of held-out rows that lie nearer to a training row than a copy may


class Evaluated(NamedTuple):
    """Figures by name (those of real data under `<name>_floor`), and the rows behind them, in data units."""

    metrics: dict[str, float]
    samples: Tensor
    cond: Cond
    real: Tensor
    real_cond: Cond


def _even(x: Tensor, n: int) -> Tensor:
    """`n` rows spread evenly over all of them: where classes take turns, every class keeps its share."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]


def _drawn(x: Tensor, n: int, seed: int) -> Tensor:
    """`n` rows at random, without replacement."""
    return x[torch.randperm(len(x), generator=generator_from(seed, "neighbours"))[:n]]


def evaluate(flow: Flow, settings: Evaluation | None = None, *, data: Dataset | None = None) -> Evaluated:
    """Sample a flow and compare with held-out rows.

    Distances are taken in model units, in which no coordinate dominates by its unit, and on a curved space between its
    features where it has some: angles that differ by a turn are one. Each comes with its floor, the
    same figure for as many real training rows: a perfect sampler reaches it up to the noise of both. Training rows
    would all be copies of themselves; the floor of `copies` is the share to be expected of new rows. Rows of symbols
    are judged by `token_metrics` instead.

    Args:
        flow: A fitted flow.
        settings: How many rows; None takes the configuration's.
        data: What to compare with; None takes what the flow learned from, which needs a held-out part.

    Raises: `InvalidInput` when the flow has not learned, or the held-out data are missing or too few. With 5 of them or
        fewer, precision, recall and coverage are left out.
    """
    settings = flow.config.evaluation if settings is None else settings
    data = flow.dataset() if data is None else data
    conditions = usual_conditions(data, settings.samples, settings.seed)
    samples = flow.sample(settings.samples, conditions, generator=generator_from(settings.seed, "evaluate"))
    real, real_cond = data.held_out().take(max(settings.samples, settings.exact), settings.seed)
    known, known_cond = data.train.take(10_000, settings.seed)
    assert isinstance(real, Tensor)
    assert isinstance(known, Tensor)
    # files may be sorted, and the first rows are looked at most
    order = torch.randperm(len(real), generator=generator_from(settings.seed, "held out")).to(real.device)
    real, real_cond = real[order], take(real_cond, order)

    if isinstance(flow.config.path.space, Tokens):
        metrics = token_metrics(flow, samples, real, real_cond, data=data, seed=settings.seed)
        return Evaluated(metrics, samples, conditions, real, real_cond)

    features = getattr(flow.config.path.space, "features", lambda rows: rows)
    to_model = lambda rows: features(
        data.transform.forward(rows, generator=generator_from(settings.seed, "units"))
    ).flatten(1)
    x, test, train = to_model(samples), to_model(real), to_model(known)
    require(len(test) >= 2, f"{len(test)} held-out rows are too few to compare with; hold out more")
    n = min(settings.exact, len(x), len(test), len(train))
    generator = generator_from(settings.seed, "floor")
    metrics: dict[str, float] = {}

    def beside_floor(name: str, floored: Floored) -> None:
        metrics[name], metrics[f"{name}_floor"] = floored.value, floored.floor

    even, few = _even(x, n), test[:n]
    beside_floor("wasserstein", with_floor(wasserstein, even, few, train, generator=generator))
    beside_floor("sliced_wasserstein", with_floor(sliced_wasserstein, even, few, train, generator=generator))
    beside_floor("energy_distance", with_floor(energy_distance, even, few, train, generator=generator))
    m = min(len(x), len(train))
    beside_floor("frechet", with_floor(frechet, _even(x, m), test, train, generator=generator))
    if n > NEIGHBOURS:
        cover, real_cover = (
            precision_recall_coverage(few, rows, NEIGHBOURS) for rows in (even, _drawn(train, n, settings.seed))
        )
        for name in ("precision", "recall", "coverage"):
            metrics[name], metrics[f"{name}_floor"] = getattr(cover, name), getattr(real_cover, name)
    if isinstance(data.train, Arrays):
        everything = train if len(known) == len(data.train) else to_model(data.train.take(len(data.train))[0])
        metrics["copies"] = copies(x, everything, test, NEAR)
        # new rows of the data's own law: the chance to fall below the r-th smallest of the held-out distances
        metrics["copies_floor"] = max(1, int(NEAR * (len(test) + 1))) / (len(test) + 1)
    if data.classes is not None:
        assert isinstance(conditions, Tensor)
        assert isinstance(known_cond, Tensor)
        assert isinstance(real_cond, Tensor)
        metrics["class_accuracy"] = class_accuracy(x, conditions, train, known_cond)
        metrics["class_accuracy_floor"] = class_accuracy(test, real_cond, train, known_cond)
    if data.source is None and real[0].numel() <= LIKELIHOOD_DIMENSIONS:
        rows = real[:LIKELIHOOD_ROWS]
        metrics["nll"] = -flow.score(rows, take(real_cond, torch.arange(len(rows))))
    return Evaluated(metrics, samples, conditions, real, real_cond)


def usual_conditions(data: Dataset, n: int, seed: int = 0) -> Cond:
    """Conditions for `n` samples: all classes in turn; the vectors of held-out rows; or none."""
    if data.classes is not None:
        return torch.arange(n) % data.classes
    if data.features is not None:
        _, cond = data.held_out().take(n, seed)
        assert isinstance(cond, Tensor)
        return cond[torch.arange(n) % len(cond)]
    return None
