"""Parts of a state that arrive by clocks of their own."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from pushforward.core import (
    Cond,
    Field,
    InvalidInput,
    Schedule,
    State,
    align,
    like,
    require,
    require_part,
    shapes,
    span_of,
)
from pushforward.paths import CondOT

__all__ = ["OwnClock"]


@dataclass(frozen=True)
class OwnClock:
    r"""A field whose named parts approach their ends exponentially, whatever the clock that they were learned by.

    .. math:: \kappa_t = 1 - e^{-c t}, \qquad \dot x_t = c \log_{x_t} \hat x_1
              = c\, \frac{1 - \alpha_t}{\alpha'_t}\, v(x_t, t)

    With c = 10 rotations are nearly done when translations are half-way, which FrameFlow found to give better
    backbones. The network is then asked at states that are ahead of what it has seen at t, so this is no flow of the
    trained marginals; towards one target it is exact. What is left at t = 1, e^-c of the way, the endpoint that the
    network says there takes away: `field.law(x, t).mean`.

    Source: Yim et al., Fast protein backbone generation with SE(3) flow matching (2023),
        https://arxiv.org/abs/2310.05297.

    Args:
        field: Velocity of states with parts.
        rates: c > 0 of the parts that have a clock of their own, by name.
        schedule: alpha, the clock of the field's own path.

    Raises: `InvalidInput` for rates that are not positive and finite, and for states without these parts.

    Example:
        >>> towards = lambda x, t, cond=None: {name: (1 - p) / (1 - t[:, None]) for name, p in x.items()}
        >>> x = {"shift": torch.zeros(1, 1), "rotation": torch.zeros(1, 1)}
        >>> OwnClock(towards, {"rotation": 10.0})(x, torch.tensor([0.5]))
        {'shift': tensor([[2.]]), 'rotation': tensor([[10.]])}
    """

    field: Field
    rates: Mapping[str, float]
    schedule: Schedule = dataclasses.field(default_factory=CondOT)

    def __post_init__(self) -> None:
        require(
            bool(self.rates) and all(0 < rate < math.inf for rate in self.rates.values()),
            f"rates are {dict(self.rates)}, expected a positive, finite rate for some parts, as {{'rotation': 10.0}}",
        )
        require_part("OwnClock.schedule", self.schedule, Schedule, "times to alpha, sigma and derivatives, as CondOT()")

    @property
    def span(self) -> tuple[float, float]:
        """The times between which the field may be followed."""
        return span_of(self.field)

    @property
    def law(self) -> Any:
        """What the network says, where the field has one."""
        return cast(Any, self.field).law

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The velocity at `x` and `t` `[B]`."""
        v, c = self.field(x, t, cond), self.schedule(t)
        if not isinstance(v, Mapping) or not self.rates.keys() <= v.keys():
            raise InvalidInput(f"the field moves {shapes(v)}, expected parts with the names {sorted(self.rates)}")
        left = (1 - c.alpha) / c.d_alpha
        pace = {name: like(align(rate * left, v[name]) * v[name], v[name]) for name, rate in self.rates.items()}
        return {**v, **pace}
