"""A repulsion between the hidden features of a batch, beside any objective."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from pushforward.core import (
    Gen,
    Incompatible,
    InvalidInput,
    Loss,
    Objective,
    Pairs,
    at,
    nearest,
    require,
    require_part,
)
from pushforward.objectives.repulsions import Repulsion

__all__ = ["Dispersive"]


@dataclass(frozen=True)
class Dispersive:
    r"""An objective, and a repulsion between the features that one layer of the network has of different rows.

    .. math:: L(\theta) = L_{\mathrm{objective}}(\theta) + \lambda\, R(h_1, \dots, h_B), \qquad
              h_i = \text{the layer's output for row } i, \text{ flattened}

    The features are those of the pass that is trained: passes without gradient (targets) and those inside a derivative
    do not count; of several, the last does. They cost no further pass. Every row counts once, whatever its weight.
    In everything else this is the objective: its path, its `at`, what its network is told, its field or flow map.

    Source: Wang & He, Diffuse and Disperse: Image Generation with Representation Regularization (2025),
        https://arxiv.org/abs/2506.09027; with MeanFlow, Zou et al., DM1: MeanFlow with Dispersive Regularization for
        1-Step Robotic Manipulation (2025), https://arxiv.org/abs/2510.07865. Differs from DM1's code: the published
        formulas, whose gradients that code's clamps remove; no dispersion of the embeddings of time.

    Args:
        objective: What is asked of the network.
        repulsion: R, one of `objectives.repulsions`.
        layer: Name of a submodule, as in `net.named_modules()`; one in the middle of the network is a good one.
        strength: lambda >= 0.

    Shapes: the layer gives `[B, ...]`. Gives the objective's `Loss` with one more term, "dispersion" (times lambda, so
        that the terms add up).
    Raises: `Incompatible` for an objective with weights of its own; when called, `InvalidInput` for a layer that the
        network does not have, or that gives no row of features for every row of the batch.

    Example:
        >>> from pushforward.objectives.repulsions import InfoNCE
        >>> objective = Dispersive(pf.objectives.MeanFlow(), InfoNCE(), layer="rest.1")
        >>> pairs = Pairs((torch.randn(8, 2), torch.randn(8, 2)))
        >>> sorted(objective(pf.nets.MLP((2,), times=2), pairs).terms)
        ['dispersion', 'fit']
    """

    objective: Objective[Pairs]
    repulsion: Repulsion
    layer: str
    strength: float = 0.5

    def __post_init__(self) -> None:
        require_part("Dispersive.objective", self.objective, Objective, "an objective such as FlowMatching()")
        require_part("Dispersive.repulsion", self.repulsion, Repulsion, "a repulsion such as InfoNCE()")
        name = type(self.objective).__name__
        require(
            not isinstance(self.objective, nn.Module),
            f"{name} has weights of its own, which Dispersive would hide from the training; put Dispersive inside, as "
            "in Joint(coupling, Dispersive(FlowMatching(), ...))",
            Incompatible,
        )
        require(bool(self.layer), "layer is empty, expected the name of a submodule of the network")
        require(0 <= self.strength < math.inf, f"strength is {self.strength}, expected 0 or a positive number")

    def __getattr__(self, name: str) -> Any:
        """What the objective says of itself, where it does."""
        if name == "objective" or name.startswith("__"):  # while a copy is being made
            raise AttributeError(name)
        return getattr(self.objective, name)

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        rows = batch.size * (2 if getattr(self.objective, "both_signs", False) else 1)
        with _features(self._found(net)) as seen:
            loss = self.objective(net, batch, generator=generator)  # pyright: ignore[reportArgumentType]
        features = _last(seen, rows)
        if features is None:
            gave = ", ".join(map(_told, seen)) or "nothing"
            raise InvalidInput(
                f"layer {self.layer!r} gave {gave} in the pass that is trained, expected a tensor of {rows} rows; "
                "choose another layer, or an objective that asks its network outside derivatives"
            )
        term = self.strength * self.repulsion(features.flatten(1)).to(loss.value.dtype)
        return Loss(loss.value + term, {**loss.terms, "dispersion": term.detach()})

    def at(self, progress: float) -> "Dispersive":
        """The loss at a share `progress` of the training, where the objective changes on the way."""
        due = at(self.objective, progress)
        return self if due is self.objective else replace(self, objective=due)

    def _found(self, net: Any) -> nn.Module:
        """The layer."""
        if not isinstance(net, nn.Module):
            raise Incompatible(f"Dispersive reads a layer of a torch module, got {type(net).__name__}; give a network")
        known = dict(net.named_modules())
        if self.layer not in known:
            names = [name for name in known if name]
            raise InvalidInput(f"{type(net).__name__} has no layer {self.layer!r}; {nearest(self.layer, names)}")
        return known[self.layer]


@contextmanager
def _features(layer: nn.Module) -> Iterator[list[Any]]:
    """A place for what the layer gives in the passes that are trained, one after the other."""
    enabled = torch.is_grad_enabled()
    seen: list[Any] = []

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        if torch.is_grad_enabled() == enabled:
            # in a pass of dual numbers the value is the trained pass, its tangent is not
            seen.append(forward_ad.unpack_dual(output).primal if isinstance(output, Tensor) else output)

    handle = layer.register_forward_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()


def _last(seen: list[Any], rows: int) -> Tensor | None:
    """The features of all rows in the last pass, which may have come in parts."""
    parts: list[Tensor] = []
    for output in reversed(seen):
        if not isinstance(output, Tensor) or output.ndim < 2 or not _plain(output):
            continue
        parts.insert(0, output)
        if sum(map(len, parts)) >= rows:
            break
    return torch.cat(parts) if sum(map(len, parts)) == rows else None


def _told(output: Any) -> str:
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    return f"shape {list(output.shape)}" if _plain(output) else "features inside a derivative alone"


def _plain(x: Tensor) -> bool:
    """Whether no derivative of `torch.func` is being taken: what is inside one must not leave it."""
    return torch.func.debug_unwrap(x) is x
