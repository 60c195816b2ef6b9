"""Everything a checkpoint holds, and how to put it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import torch
from torch import Tensor, nn

from pushforward.core import RunFailed, require
from pushforward.training.checkpoint import Checkpoint
from pushforward.training.ema import EMA
from pushforward.training.settings import Training
from pushforward.training.validation import Best
from pushforward.training.weights import fill, tensors_of

__all__ = ["RunState"]


class RunState:
    """Weights, their average, the optimiser, and the best validation of a run.

    There is no generator and no loader in it: every draw is a function of (seed, step).

    Args:
        module: On its device.
        settings: Optimiser, `ema` and `stop_after`.

    Raises: `InvalidInput` when the module has nothing to train.
    """

    def __init__(self, module: nn.Module, settings: Training) -> None:
        self.module = module
        self.live = tensors_of(module)
        self._trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.parameters = list(self._trained.values())
        require(bool(self.parameters), f"{type(module).__name__} has no trainable parameters; give a net that has some")
        self.optimizer = _adamw(self.parameters, settings)
        self.ema = None if settings.ema is None else EMA(module, settings.ema)
        self.best = Best(self.live, settings.stop_after)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The module holds the averaged weights, in evaluation mode, inside the block."""
        self.module.eval()
        try:
            if self.ema is None:
                yield
            else:
                with self.ema.applied():
                    yield
        finally:
            self.module.train()

    def finish(self) -> None:
        """Leave the weights that are to be sampled in the module: the best, else the averaged, else the last ones."""
        if self.ema is not None:
            self.ema.apply()
        self.best.restore()
        self.module.eval()

    def tensors(self, step: int) -> dict[str, Tensor]:
        """All tensors by `part/name`.

        Raises: `RunFailed` when a number is not finite, so that no good checkpoint is replaced by a broken one.
        """
        found = {f"module/{name}": tensor for name, tensor in self.live.items()}
        if self.ema is not None:
            found |= {f"ema/{name}": tensor for name, tensor in self.ema.tensors.items()}
        for name, parameter in self._trained.items():
            state = self.optimizer.state.get(parameter, {})
            found |= {f"optimizer/{name}/{key}": value for key, value in state.items()}
        found |= {f"best/{name}": tensor for name, tensor in self.best.tensors.items()}
        finite = torch.stack([tensor.isfinite().all().to(self.parameters[0].device) for tensor in found.values()])
        for name, good in zip(found, finite.tolist(), strict=True):
            if not good:
                raise RunFailed(
                    f"step {step} left {name} with numbers that are not finite; lower training.learning_rate or check "
                    "the data; checkpoints from before it are kept"
                )
        return found

    def load(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint; raises `InvalidInput` when it is of another model."""
        parts: dict[str, dict[str, Tensor]] = {"module": {}, "ema": {}, "optimizer": {}, "best": {}}
        for name, tensor in checkpoint.tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        fill(self.live, parts["module"], checkpoint.path)
        fill({} if self.ema is None else self.ema.tensors, parts["ema"], checkpoint.path)
        self._load_optimizer(parts["optimizer"], checkpoint)
        self.best.load(checkpoint.record.get("best"), parts["best"])

    def _load_optimizer(self, tensors: dict[str, Tensor], checkpoint: Checkpoint) -> None:
        number = {name: k for k, name in enumerate(self._trained)}
        state: dict[int, dict[str, Tensor]] = {}
        for name, group in groupby(sorted(tensors), key=lambda key: key.rpartition("/")[0]):
            require(
                name in number,
                f"{checkpoint.path} trained {name!r}, which is frozen now; use the configuration it came from",
            )
            state[number[name]] = {key.rpartition("/")[2]: tensors[key] for key in group}
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def _adamw(parameters: list[nn.Parameter], settings: Training) -> torch.optim.AdamW:
    def build(fused: bool | None) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            parameters,
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=fused,
        )

    try:
        return build(fused=True)
    except RuntimeError:  # devices without the fused kernel
        return build(fused=None)
