"""Flow matching of layouts, of which any part may be given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, InvalidInput, Loss, Pairs, rand, require, require_part, shapes
from pushforward.fields import Held, NetField, Velocity
from pushforward.objectives.layout_tasks import BOX, ElementsGiven, LabelsAndSizesGiven, LabelsGiven, Task, Whole
from pushforward.objectives.times import Draw, Independent, TimeLaw, Uniform
from pushforward.paths import Affine

__all__ = ["LayoutFlow"]


@dataclass(frozen=True)
class LayoutFlow:
    r"""One flow over boxes and analog bits of labels, trained for several tasks by marks on what is to be generated.

    .. math:: x_0 = M \odot n + (1 - M) \odot x_1, \quad x_t = (1 - t)\, x_0 + t\, x_1, \quad
              e = M \odot \big(v(x_t, t, M) - (x_1 - x_0)\big), \quad
              L = \frac{|e|_2^2}{|M|_1} + \lambda\, \frac{|e_\text{box}|_1}{|M_\text{box}|_1}

    so that what is given never moves. Every row draws a task. Sampling: `pf.solve(objective.field(net),
    objective.start(x, marks), times, solver=Euler(), cond={"real": real, "generate": marks})`, where given entries stay
    to the bit. Refinement is the same from a layout, without noise, at t = 0.97 and with `LabelsGiven`.

    Source: Guerreiro et al., LayoutFlow: Flow Matching for Layout Generation (ECCV 2024),
        https://arxiv.org/abs/2403.18187. Differs from its code, which divides by all entries, padding and given ones
        among them, and draws given elements with weights 0, 1, 2, ... so that the first never is.

    Args:
        tasks: Every row draws one, all alike.
        geometry: Weight lambda of the absolute error on boxes.
        times: Law of the training time; uniform is the authors'. Elements line up in the last tenth of the way, where
            `Beta(2, 1)` looks more often: `bench layout` found hardly a difference.
        draw: How the uniform numbers behind a batch of times are drawn.

    Shapes: data ends `[B, N, F]`, the first four attributes of an element its box (`data.LayoutCode`); `cond` is
        None, or a mapping with `real` `[B, N]`. The source is standard normal; gives `Loss` with "fit" and "geometry".
    Raises: `InvalidInput` without tasks, for a weight below 0 and for other states; `Incompatible` for what is no task
        and no law of times.

    Example:
        >>> net = pf.nets.SetTransformer(9, width=16, depth=1)
        >>> objective, x1 = LayoutFlow(), torch.zeros(2, 3, 9)
        >>> marks = LabelsGiven().generate(torch.ones(2, 3), 9)
        >>> loss = objective(net, Pairs((torch.randn(2, 3, 9), x1)))
        >>> x = pf.solve(objective.field(net), objective.start(x1, marks), torch.linspace(0, 1, 5),
        ...              solver=pf.solvers.Euler(), cond={"generate": marks}).x
        >>> torch.equal(x[..., 4:], x1[..., 4:])
        True
    """

    tasks: tuple[Task, ...] = (ElementsGiven(), LabelsGiven(), LabelsAndSizesGiven(), Whole())
    geometry: float = 0.2
    times: TimeLaw = field(default_factory=Uniform)
    draw: Draw = field(default_factory=Independent)

    def __post_init__(self) -> None:
        require(len(self.tasks) >= 1, "LayoutFlow.tasks is empty; give one at least, such as Whole()")
        for task in self.tasks:
            require_part("LayoutFlow.tasks", task, Task, "tasks such as Whole()")
        require_part("LayoutFlow.times", self.times, TimeLaw, "a law of times such as Uniform()")
        require_part("LayoutFlow.draw", self.draw, Draw, "a draw such as Stratified()")
        require(self.geometry >= 0, f"LayoutFlow.geometry is {self.geometry}, expected a weight of 0 or more")

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        x0, x1 = batch.x0, batch.x1
        if not (isinstance(x0, Tensor) and isinstance(x1, Tensor) and x1.ndim == 3 and x1.shape[2] > BOX):
            raise InvalidInput(
                f"the data have shape {shapes(x1)}, expected [B, N, F] with a box and a label; F > {BOX}"
            )
        real = _real(batch.cond, x1)
        marks = self.marks(real, x1.shape[2], generator=generator)
        t = self.times.quantile(self.draw(len(x1), x1, generator=generator))
        pairs = Pairs((torch.where(marks > 0, x0, x1), x1))
        point = Affine().sample(pairs, t)
        # what is given is said as it is: the sum of its two shares would be off by a rounding
        x, target = torch.where(marks > 0, _tensor(point.x), x1), x1 - _tensor(pairs.x0)
        error = marks * (net(x, t, {"real": real, "generate": marks}) - target)
        rows = {"fit": error.square().flatten(1).sum(1) / marks.flatten(1).sum(1).clamp_min(1)}
        if self.geometry > 0:
            boxes = marks[..., :BOX].flatten(1).sum(1).clamp_min(1)
            rows["geometry"] = self.geometry * error[..., :BOX].abs().flatten(1).sum(1) / boxes
        return Loss.mean(rows, batch.weight)

    def marks(self, real: Float[Tensor, "b n"], features: int, *, generator: Gen = None) -> Float[Tensor, "b n f"]:
        """What every row is to generate, by a task of its own."""
        drawn = torch.stack([task.generate(real, features, generator=generator) for task in self.tasks])
        which = (rand((len(real),), real, generator=generator) * len(self.tasks)).long().clamp_max(len(self.tasks) - 1)
        return drawn[which, torch.arange(len(real), device=real.device)]

    def start(
        self, x: Float[Tensor, "b n f"], marks: Float[Tensor, "b n f"], *, generator: Gen = None
    ) -> Float[Tensor, "b n f"]:
        """Noise where it is to be generated, and what is given elsewhere."""
        noise = Affine().space.noise(x, generator=generator)
        return torch.where(marks > 0, _tensor(noise), x)

    def field(self, net: nn.Module) -> Held:
        """The velocity that `net` has learned, zero on what is given."""
        return Held(NetField(net, Velocity(), Affine()))


def _tensor(x: Any) -> Tensor:
    return x


def _real(cond: Any, x: Tensor) -> Tensor:
    if cond is None:
        return torch.ones_like(x[..., 0])
    if not isinstance(cond, Mapping) or sorted(cond) != ["real"] or cond["real"].shape != x.shape[:2]:
        raise InvalidInput(f"cond is {shapes(cond)}, expected a mapping with real {list(x.shape[:2])}")
    return cond["real"].to(x.dtype)
