"""A run in progress: its parts, and what is done with them between two steps."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.core import InvalidInput, Loss, Objective, Pairs, generator_from, require
from pushforward.training.ahead import ahead
from pushforward.training.checkpoint import Checkpoint, complete_steps, load_checkpoint, save_checkpoint
from pushforward.training.feed import PairSource
from pushforward.training.interrupt import deferred_interrupt
from pushforward.training.logger import Logger, require_places
from pushforward.training.progress import progress_bar
from pushforward.training.runtime import Runtime
from pushforward.training.settings import Training
from pushforward.training.state import RunState
from pushforward.training.step import TrainingStep
from pushforward.training.window import Window

__all__ = ["Run"]


class Run:
    """Arguments as in `train`; `loop` makes the steps that remain."""

    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        settings: Training,
        *,
        seed: int,
        folder: Path | None,
        resume: bool,
        on_start: Callable[[], object] | None,
    ) -> None:
        self.settings, self.seed, self.net = settings, seed, net
        self.checkpoints = None if folder is None else folder / "checkpoint"
        self.runtime = Runtime(settings)
        if settings.channels_last:
            net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if settings.compile:
            net.compile()
        module = TrainingStep(net, objective)
        self.call = self.runtime.wrap(module)
        self.state = RunState(module, settings)
        self.step, self.spent = 0, 0.0
        if self.checkpoints is not None:
            self._continue(self.checkpoints, resume)
        if folder is not None:
            require_places(folder)
        if on_start is not None and self.runtime.rank == 0:
            on_start()
        self.logger = Logger(folder if self.runtime.rank == 0 else None, self.step)
        self.window = Window(self.step)
        self.loss: float | None = None
        self.began = self.logged = time.perf_counter()

    def _continue(self, checkpoints: Path, resume: bool) -> None:
        if not resume:
            found = complete_steps(checkpoints)
            require(
                not found,
                f"{checkpoints} holds a run at step {max(found, default=0)}; resume it, or choose another folder",
            )
            return
        checkpoint = load_checkpoint(checkpoints)
        if checkpoint is None:
            return
        written, spent = _seed_and_seconds(checkpoint)
        require(
            written == self.seed,
            f"{checkpoint.path} is of a run with seed {written}, got {self.seed}; use seed {written}",
        )
        self.state.load(checkpoint)
        self.step, self.spent = checkpoint.step, spent

    def loop(
        self,
        feed: PairSource,
        validation: PairSource | None,
        on_sample: Callable[[nn.Module, int], object] | None,
        progress: bool,
    ) -> None:
        """All steps that remain."""
        settings, runtime, best = self.settings, self.runtime, self.state.best

        def due(every: int | None) -> bool:
            return every is not None and self.step % every == 0

        def make(step: int) -> Pairs:
            return runtime.share(feed.pairs(step, settings.batch_size, seed=self.seed))

        steps = range(self.step, self.step if best.over else settings.steps)
        with ExitStack() as stack:
            interrupted = stack.enter_context(deferred_interrupt())
            stack.enter_context(runtime.isolated())
            stack.enter_context(runtime.threads(settings.batch_size // runtime.world, self.state.parameters))
            batches = stack.enter_context(ahead(make, steps, settings.workers, span=settings.coupling_batches))
            show = stack.enter_context(progress_bar(self.step, settings.steps, show=progress and runtime.rank == 0))
            self.call.train()
            for pairs in batches:
                self.update(pairs)
                meet = due(settings.log_every)
                if meet:
                    self.log()
                if validation is not None and due(settings.validate_every):
                    self.validate(validation)
                # several processes must stop at the same step: they agree where they wait for each other anyway
                stopped = (meet or runtime.world == 1) and runtime.agree(interrupted())
                ending = stopped or best.over or self.step == settings.steps
                if ending:
                    self.log()
                if on_sample is not None and due(settings.sample_every):
                    self.sample(on_sample)
                if ending or due(settings.checkpoint_every):
                    self.save()
                show(self.step, self.loss)
                if stopped:
                    raise KeyboardInterrupt
                if ending:
                    break

    def update(self, pairs: Pairs) -> None:
        """One step of the optimiser; nothing here waits for the device."""
        settings, runtime, state = self.settings, self.runtime, self.state
        stream = (self.step,) if runtime.world == 1 else (self.step, runtime.rank)
        generator = generator_from(self.seed, "objective", *stream, device=runtime.device)
        # dropout cannot be handed a generator; seeded every step, the global one is a function of (seed, step), too
        runtime.ambient().manual_seed(generator.initial_seed() ^ 1)
        loss: Loss = self.call(runtime.receive(pairs), generator, self.step / settings.steps)
        runtime.backward(loss.value)
        norm = _clip([p.grad for p in state.parameters if p.grad is not None], settings.gradient_clip)
        for group in state.optimizer.param_groups:
            group["lr"] = settings.rate(self.step)
        state.optimizer.step()
        for parameter in state.parameters:
            parameter.grad = None
        self.step += 1
        if state.ema is not None:
            state.ema.update(self.step)
        self.window.add(loss, norm)

    def check(self) -> dict[str, Any]:
        """Means since the last line; raises `RunFailed` when one of those steps went wrong."""
        return self.window.means(self.runtime.mean) if len(self.window) else {}

    def log(self) -> None:
        """Write down the steps since the last line, if there are any."""
        metrics = self.check()
        if not metrics:
            return
        now = time.perf_counter()
        pace = {
            "learning_rate": self.settings.rate(self.step - 1),
            "steps_per_second": len(self.window) / (now - self.logged),
            "seconds": self.seconds(),
        }
        self.logger.write(self.step, metrics | pace)
        self.loss = metrics["loss"]
        self.window = Window(self.step)
        self.logged = now

    def seconds(self) -> float:
        """Time spent on the run so far, by all processes that continued it one after the other."""
        return self.spent + time.perf_counter() - self.began

    def validate(self, validation: PairSource) -> None:
        """Held-out loss of the averaged weights, with the same draws each time."""
        self.check()
        losses: list[Tensor] = []
        seed = generator_from(self.seed, "validation").initial_seed()  # not the draws of the first training steps
        with self.state.averaged():
            for k in range(self.settings.validation_batches):
                pairs = validation.pairs(k, self.settings.batch_size, seed=seed)
                generator = generator_from(seed, "objective", k, device=self.runtime.device)
                # gradients stay on: some objectives take their own
                loss = self.call(self.runtime.receive(pairs), generator, self.step / self.settings.steps)
                losses.append(loss.value.detach())
            mean = self.runtime.agree(float(torch.stack(losses).mean()))
            self.state.best.offer(self.step, mean)
        self.logger.write(self.step, {"validation_loss": mean})

    def sample(self, on_sample: Callable[[nn.Module, int], object]) -> None:
        """Hand out the net with its averaged weights."""
        self.check()
        if self.runtime.rank == 0:
            with self.state.averaged():
                on_sample(self.net, self.step)

    def save(self) -> None:
        """Write a checkpoint of a state that is known to be good."""
        self.check()
        tensors = self.state.tensors(self.step)
        if self.checkpoints is not None and self.runtime.rank == 0:
            record = {"seed": self.seed, "seconds": self.seconds(), "best": self.state.best.record()}
            save_checkpoint(self.checkpoints, self.step, tensors, record, keep=self.settings.keep_checkpoints)


def _seed_and_seconds(checkpoint: Checkpoint) -> tuple[int, float]:
    """Of the numbers beside the tensors; raises `InvalidInput` when one that resuming needs is not there."""
    record, file = checkpoint.record, checkpoint.path.with_suffix(".json")
    try:
        for name in ("loss", "step", "waited") if record.get("best") is not None else ():
            float(record["best"][name])
        return int(record["seed"]), float(record["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{file} is damaged ({type(error).__name__}: {error}); delete it to resume from an earlier step"
        ) from None


def _clip(gradients: list[Tensor], limit: float | None) -> Tensor:
    """Norm of the whole gradient, which is scaled down to `limit` in place where it is longer."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if limit is not None:
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))
    return norm
