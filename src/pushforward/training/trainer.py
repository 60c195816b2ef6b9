"""The door to training."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from pushforward.core import Objective, require
from pushforward.training.feed import PairSource
from pushforward.training.run import Run
from pushforward.training.settings import Training

__all__ = ["Trained", "train"]


class Trained(NamedTuple):
    """A finished run.

    `net` is the net that was given, with the averaged (or, where a run may stop early, the best) weights, in evaluation
    mode; `step` the updates made; `history` the lines of `metrics.jsonl`; `best` the loss and step of the best
    validation, None without any.
    """

    net: nn.Module
    step: int
    history: list[dict[str, Any]]
    best: dict[str, float] | None


def train(
    net: nn.Module,
    objective: Objective,
    feed: PairSource,
    settings: Training,
    *,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    validation: PairSource | None = None,
    on_start: Callable[[], object] | None = None,
    on_sample: Callable[[nn.Module, int], object] | None = None,
    progress: bool = False,
) -> Trained:
    """Train `net` in place, and leave the weights to sample from in it.

    Everything random is a function of (seed, step), and so a run that was killed and resumed ends with the same bits as
    one that was not (on the same machine and number of threads). The loop never waits for the device except where
    numbers are written down.

    Args:
        net: What is trained; called by the objective.
        objective: Batch -> `Loss`. One that is an `nn.Module` is trained, too.
        feed: Where pairs come from, usually a `Feed`.
        settings: How long, how fast, how safely.
        seed: Of every draw of the run.
        folder: Run folder for `checkpoint/`, `metrics.jsonl` and `events/`; None writes nothing.
        resume: Continue from the newest checkpoint in `folder`, or from the start when there is none.
        validation: Held-out pairs (`feed.held_out(test)`), for `settings.validate_every`.
        on_start: Called before anything is written, when nothing is left to refuse.
        on_sample: Called with the net, averaged weights in it, and the step, every `settings.sample_every` steps.
        progress: Show a bar on stderr.

    Raises:
        `InvalidInput`: The folder has checkpoints and `resume` is False; the checkpoint is damaged, or of another model
            or seed; the disk is full; validation is asked for and no pairs are given; no such device.
        `RunFailed`: A loss, gradient or weight was not finite; the last good checkpoint stays.
        `KeyboardInterrupt`: After Ctrl-C, when the step is finished and a checkpoint written.

    Example:
        >>> from pushforward.objectives import FlowMatching
        >>> feed = pf.training.Feed(pf.data.Arrays(torch.randn(100, 2)))
        >>> net = pf.nets.MLP((2,))
        >>> train(net, FlowMatching(), feed, Training(steps=3, batch_size=10)).step
        3
    """
    require(
        settings.validate_every is None or validation is not None,
        f"training.validate_every is {settings.validate_every}, but no held-out data came; give some "
        "(a Dataset with a test part), or set it to null",
    )
    require(
        settings.sample_every is None or on_sample is not None,
        f"training.sample_every is {settings.sample_every}, but no on_sample came; give one or set it to null",
    )
    run = Run(net, objective, settings, seed=seed, folder=folder, resume=resume, on_start=on_start)
    with closing(run.logger):
        run.loop(feed, validation, on_sample, progress)
    run.state.finish()
    return Trained(net, run.step, run.logger.history, run.state.best.record())
