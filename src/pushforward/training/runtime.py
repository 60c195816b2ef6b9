"""Device, precision and processes: what lightning-fabric does for a run."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from pushforward.core import Pairs, require
from pushforward.training.ahead import threads
from pushforward.training.settings import Training

__all__ = ["Runtime"]

T = TypeVar("T")
SMALL = 2**25  # parameters times rows of a step that two cores do not finish sooner than one


class Runtime:
    """One process of a run: its device, its share of a batch, and the exchange with the other processes.

    On one device in full precision the module is called bare: Fabric's wrapper would change nothing there and costs
    about 0.07 ms a step, an eighth of a small net's.

    Args:
        settings: `device`, `devices`, `precision`.

    Raises: `InvalidInput` when this machine has no such device.
    """

    def __init__(self, settings: Training) -> None:
        from lightning_fabric import Fabric

        self.settings = settings
        kind, _, index = settings.device.partition(":")
        available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
        require(
            kind not in available or available[kind](),
            f"training.device is {settings.device}, which this machine does not have; use auto or cpu",
        )
        count = torch.cuda.device_count()
        require(
            kind != "cuda" or max(int(index or 0) + 1, settings.devices) <= count,
            f"training asks for device {settings.device} x {settings.devices}, this machine has {count}; use fewer",
        )
        self.fabric = Fabric(
            accelerator=kind,
            devices=[int(index)] if index else settings.devices,
            strategy="auto" if settings.devices == 1 else "ddp",
            precision=cast(Any, settings.precision),
        )
        self.fabric.launch()
        self.device: torch.device = self.fabric.device
        self.world: int = self.fabric.world_size
        self.rank: int = self.fabric.global_rank
        self._bare = self.world == 1 and settings.precision == "32-true"
        self.backward: Callable[[Tensor], object] = Tensor.backward if self._bare else self.fabric.backward

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module on its device, called under the run's precision, its gradients averaged over processes."""
        return module.to(self.device) if self._bare else self.fabric.setup_module(module)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over the processes."""
        return x if self.world == 1 else cast(Tensor, self.fabric.all_reduce(x, reduce_op="mean"))

    def agree(self, value: T) -> T:
        """The first process's value, so that all decide alike."""
        return value if self.world == 1 else self.fabric.broadcast(value)

    def share(self, pairs: Pairs) -> Pairs:
        """This process's rows of a batch; every process prepares the whole one, coupled as on one device."""
        return pairs if self.world == 1 else pairs.map(lambda leaf: leaf[self.rank :: self.world])

    def receive(self, pairs: Pairs) -> Pairs:
        """The batch on the device; does not wait for the copy."""
        if self.device.type == "cpu":
            return pairs

        def sent(leaf: Tensor) -> Tensor:
            pinned = self.device.type == "cuda" and leaf.device.type == "cpu"
            return (leaf.pin_memory() if pinned else leaf).to(self.device, non_blocking=True)

        return pairs.map(sent)

    def ambient(self) -> torch.Generator:
        """The device's own generator: dropout layers take no other."""
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or 0]
        if self.device.type == "mps":
            return torch.mps._get_default_mps_generator()
        return torch.default_generator

    def threads(self, rows: int, parameters: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Torch's threads for steps on so many rows; see `Training.threads`."""
        small = self.device.type == "cpu" and rows * sum(p.numel() for p in parameters) < SMALL
        return threads(self.settings.threads or (1 if small else torch.get_num_threads()))

    def isolated(self) -> AbstractContextManager[None]:
        """Inside the block the global generators may be seeded; afterwards they are as before."""
        if self.device.type == "cpu":
            return torch.random.fork_rng([])
        return torch.random.fork_rng([self.device.index or 0], device_type=self.device.type)
