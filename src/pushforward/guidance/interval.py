"""Guidance in a window of time."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Cond, Field, Incompatible, State, align, map_state, require, span_of

__all__ = ["Guidance", "Interval"]


@runtime_checkable
class Guidance(Field, Protocol):
    """A guided field that can also be had without its guidance, which is what `Interval` needs."""

    @property
    def plain(self) -> Field:
        """The field without guidance."""
        ...

    def with_plain(self, x: State, t: Tensor, cond: Cond = None) -> tuple[State, State]:
        """The guided and the plain motion, for little more than the guided one alone."""
        ...


def _readable(flags: Tensor) -> bool:
    """Whether Python may look at `flags` without waiting: on the CPU, outside a traced graph and a mapped function."""
    if flags.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    try:
        bool(flags.any())
    except RuntimeError:  # under `torch.func.vmap` the rows share no answer, and torch has no public way to ask before
        return False
    return True


@dataclass(frozen=True)
class Interval:
    r"""Guides only while the time lies in a window; before and after, the plain field is followed.

    .. math:: v(x, t \mid c) = \begin{cases} v_w(x, t \mid c) & t_{\mathrm{low}} \le t \le t_{\mathrm{high}} \\
              v(x, t \mid c) & \text{otherwise} \end{cases}

    Every row has its own time. On the CPU a batch that lies outside as a whole costs the plain field alone; an
    accelerator evaluates both sides always, since looking at the times would stop it. The field jumps at both ends:
    put grid points there, or solvers of high order lose it. A pause of the guidance (`CFGZeroStar.zero_until`) is
    part of it and so acts in the window only.

    Source: Kynkäänniemi et al., Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in
        Diffusion Models (NeurIPS 2024), https://arxiv.org/abs/2404.07724. The paper's window is in noise levels;
        on the CondOT path :math:`t = 1 / (1 + \sigma)`, which swaps the ends: its (0.28, 1.61] is [0.383, 0.779].

    Args:
        guidance: `ClassifierFree`, `CFGZeroStar`, `Autoguidance`, or another `Guidance`.
        low: First guided time.
        high: Last guided time, >= `low`.

    Shapes: `x` `[B, *E]`, `t` `[B]`; gives `[B, *E]`.
    Raises: `InvalidInput` for an empty or NaN window, `Incompatible` for a field that has no plain side.

    Example:
        >>> guided = pf.guidance.Autoguidance(lambda x, t, cond: -x, lambda x, t, cond: 0 * x, 2.0)
        >>> Interval(guided, 0.4, 0.8)(torch.ones(3, 1), torch.tensor([0.0, 0.5, 1.0])).T
        tensor([[-1., -2., -1.]])
    """

    guidance: Guidance
    low: float
    high: float

    def __post_init__(self) -> None:
        require(
            isinstance(self.guidance, Guidance),
            f"Interval got {type(self.guidance).__name__}, expected a guidance with .plain and .with_plain such as "
            "ClassifierFree; wrap the field in one",
            Incompatible,
        )
        require(self.low <= self.high, f"Interval got low={self.low} and high={self.high}, expected low <= high")

    @property
    def span(self) -> tuple[float, float]:
        """The times at which it may be followed: the guidance's."""
        return span_of(self.guidance)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided motion in the window, the plain one elsewhere."""
        inside = (t >= self.low) & (t <= self.high)
        if _readable(inside):
            if not inside.any():
                return self.guidance.plain(x, t, cond)
            if inside.all():
                return self.guidance(x, t, cond)
        guided, plain = self.guidance.with_plain(x, t, cond)
        return map_state(lambda p, q: torch.where(align(inside, p), p, q), guided, plain)
