"""Losses of the last steps, left on the device until somebody asks."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.core import Loss, RunFailed

__all__ = ["Window"]


class Window:
    """Collects per-step numbers without waiting for the device, and finds the first step that went wrong.

    Args:
        start: Updates made before the first one collected.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._terms: dict[str, list[Tensor]] = {}

    def __len__(self) -> int:
        return len(self._losses)

    def add(self, loss: Loss, norm: Tensor) -> None:
        """Keep one step's loss, terms and gradient norm."""
        self._losses.append(loss.value.detach())
        self._norms.append(norm)
        for name, term in loss.terms.items():
            self._terms.setdefault(name, []).append(term)

    def means(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float | dict[str, float]]:
        """Mean loss, terms and gradient norm of the window; one wait for the device.

        Args:
            reduce: Mean over the processes of a tensor.

        Raises: `RunFailed` naming the first step whose loss or gradient is not finite.
        """
        rows = torch.stack([*self._losses, *self._norms, *(torch.stack(v).mean() for v in self._terms.values())])
        values: list[float] = reduce(rows.float()).tolist()
        n = len(self)
        losses, norms, terms = values[:n], values[n : 2 * n], values[2 * n :]
        for k, (loss, norm) in enumerate(zip(losses, norms, strict=True), self.start + 1):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise RunFailed(
                    f"step {k} has loss {loss:g} and gradient norm {norm:g}; lower training.learning_rate or check the "
                    "data; checkpoints from before it are kept"
                )
        return {
            "loss": math.fsum(losses) / n,
            "terms": dict(zip(self._terms, terms, strict=True)),
            "gradient_norm": math.fsum(norms) / n,
        }
