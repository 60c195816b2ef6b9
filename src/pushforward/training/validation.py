"""Knowing when to stop: the best held-out loss so far, and the weights that had it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Best"]


class Best:
    """Remembers the best validation, and counts the validations since.

    Args:
        live: The tensors that are validated, by name; remembered when a run may stop early.
        stop_after: Validations without a better one that end the run; None never ends it and remembers no tensors.
    """

    def __init__(self, live: Mapping[str, Tensor], stop_after: int | None) -> None:
        self._live = live
        self._stop_after = stop_after
        self.loss, self.step, self.waited = math.inf, 0, 0
        self.tensors: dict[str, Tensor] = {}

    @property
    def over(self) -> bool:
        """Whether patience has ended."""
        return self._stop_after is not None and self.waited >= self._stop_after

    def offer(self, step: int, loss: float) -> None:
        """Take in the held-out loss after `step` updates, of the weights that are live now."""
        if loss < self.loss:
            self.loss, self.step, self.waited = loss, step, 0
            if self._stop_after is not None:
                self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}
        else:
            self.waited += 1

    def restore(self) -> None:
        """Write the remembered weights over the live ones, if there are any."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                self._live[name].copy_(tensor)

    def record(self) -> dict[str, float] | None:
        """The plain numbers, for a checkpoint; None before the first validation."""
        return {"loss": self.loss, "step": self.step, "waited": self.waited} if self.step else None

    def load(self, record: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what a checkpoint held."""
        if record is not None:
            self.loss, self.step, self.waited = record["loss"], record["step"], record["waited"]
            self.tensors = {name: tensor.to(self._live[name].device) for name, tensor in tensors.items()}
