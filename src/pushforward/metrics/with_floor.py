"""A metric beside what it says about real data."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.metrics._samples import Samples, as_samples

__all__ = ["Floored", "with_floor"]


class Floored(NamedTuple):
    """A metric of samples, the same of as many real rows, and `value / floor` (NaN unless the floor is positive)."""

    value: float
    floor: float
    ratio: float


def with_floor(
    metric: Callable[[Samples, Samples], float | Tensor],
    samples: Samples,
    heldout: Samples,
    train: Samples,
    *,
    generator: Gen = None,
) -> Floored:
    r"""A metric between samples and held-out data, beside the metric between two real sets of these very sizes.

    .. math:: \mathrm{value} = d(\mathrm{samples}, \mathrm{heldout}), \qquad
              \mathrm{floor} = d(\mathrm{train}', \mathrm{heldout}), \quad |\mathrm{train}'| = |\mathrm{samples}|

    where train' are rows of `train` drawn without replacement. A perfect sampler has ratio 1 up to the noise of both; a
    ratio clearly below 1 is suspicious (see `copies`). Ratios of metrics that can be 0 or less (`mmd`) say nothing, and
    are then NaN.

    Args:
        metric: Takes two sample sets, gives a number: `wasserstein`, or a lambda around one with its options set.
        samples: `[n, *E]`.
        heldout: Real rows that neither the model nor `train` holds `[m, *E]`.
        train: At least n real rows `[N, *E]`, independent of `heldout`.
        generator: Draws train'; on the CPU.

    Raises: `InvalidInput` when `train` has fewer rows than `samples`; whatever the metric raises.

    Example:
        >>> real, heldout = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
        >>> result = with_floor(pf.metrics.sliced_wasserstein, real + 1.0, heldout, real)
        >>> result.value > 5 * result.floor
        True
    """
    n, rows = len(samples), as_samples(train, "train")
    require(
        len(rows) >= n, f"train has {len(rows)} rows, expected at least {n}, as many as the samples; draw fewer samples"
    )
    chosen = rows[torch.randperm(len(rows), generator=generator)[:n].to(rows.device)]
    value, floor = float(metric(samples, heldout)), float(metric(chosen, heldout))
    return Floored(value, floor, value / floor if floor > 0 else math.nan)
