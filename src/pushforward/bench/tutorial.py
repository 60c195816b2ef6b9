"""Training as torchcfm's tutorial does it, with torchcfm's parts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from pushforward.core import Cond, Field, State

__all__ = ["SIGMA", "train_torchcfm"]

SIGMA = 0.1


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torchcfm draws from the global generators of torch and NumPy; both are afterwards as they were."""
    state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(state)


def train_torchcfm(
    method: str,
    source: Callable[[int], torch.Tensor],
    target: Callable[[int], torch.Tensor],
    *,
    steps: int,
    seed: int,
    batch_size: int = 256,
) -> Field:
    """The loop of torchcfm's `Flow_matching_tutorial` notebook, statement for statement; gives the trained field.

    Source: https://github.com/atong01/conditional-flow-matching. Differs: the draws are given, because
        `torchcfm.utils` needs torchdyn; its `sample_8gaussians` takes a fifth of a step (1.7 ms, a Python loop), which
        is not counted against it here. No pictures between the steps.

    Args:
        method: "OT-CFM" (its exact transport within the batch) or "I-CFM".
        source: n to points `[n, 2]`, from torch's global generator.
        target: Likewise.
        steps: Of Adam with its defaults.
        seed: Of torch's and NumPy's global generators, which are afterwards as they were.
        batch_size: Points of a step.
    """
    from torchcfm import conditional_flow_matching as cfm  # pyright: ignore[reportMissingImports]
    from torchcfm.models import MLP  # pyright: ignore[reportMissingImports]

    matchers: dict[str, Any] = {
        "OT-CFM": cfm.ExactOptimalTransportConditionalFlowMatcher,
        "I-CFM": cfm.ConditionalFlowMatcher,
    }
    with _seeded(seed):
        model = MLP(dim=2, time_varying=True)
        optimizer = torch.optim.Adam(model.parameters())
        matcher = matchers[method](sigma=SIGMA)
        for _ in range(steps):
            optimizer.zero_grad()
            x0, x1 = source(batch_size), target(batch_size)
            t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1)
            vt = model(torch.cat([xt, t[:, None]], dim=-1))
            loss = torch.mean((vt - ut) ** 2)
            loss.backward()
            optimizer.step()

    def field(x: State, t: torch.Tensor, cond: Cond = None) -> State:
        assert isinstance(x, torch.Tensor)
        return model(torch.cat([x, t[:, None]], dim=-1))

    return field
