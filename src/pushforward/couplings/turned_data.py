"""Sources whose rotations are near those of the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pushforward.core import (
    Cond,
    Gen,
    Incompatible,
    InvalidInput,
    Space,
    State,
    map_state,
    require,
    require_part,
    shapes,
)
from pushforward.spaces import IGSO3, SE3, SO3

__all__ = ["TurnedData"]


@dataclass(frozen=True)
class TurnedData:
    r"""A source for `DataDependent`: rotations of the data, turned at random, and noise for the rest.

    .. math:: R_0 = R_1 Q, \qquad Q \sim \mathrm{IGSO}_3(\sigma), \quad \sigma = 1.5 \text{ in the paper}

    Few pairs are then near half a turn apart, where nearby starts travel opposite ways. But sampling starts from
    uniform rotations, and IGSO3(1.5) is .13 away from these in total variation: the network is asked for more large
    turns than it was taught. The law of R_0 is neither; to train on the source that is sampled from, use
    `Independent()` with `SE3()`.

    Source: Yim et al., Fast protein backbone generation with SE(3) flow matching (2023),
        https://arxiv.org/abs/2310.05297; code microsoft/protein-frame-flow.

    Args:
        reference: Law of Q.
        part: Name of the rotations in mappings; None for states that are rotations.
        space: Whose noise the other parts are.

    Shapes: x1 `[B, *E, 3, 3]` below `part`; gives a state shaped like x1.
    Raises: `Incompatible` for parts of another kind; `InvalidInput` for data without this part.

    Example:
        >>> from pushforward.couplings import DataDependent
        >>> x1 = SE3().noise({"shift": torch.empty(4, 3), "rotation": torch.empty(4, 3, 3)})
        >>> near = DataDependent(TurnedData(IGSO3(0.1)))(x1, x1).x0
        >>> bool(SO3().distance(near["rotation"], x1["rotation"]).max() < 1)
        True
    """

    reference: IGSO3 = field(default_factory=lambda: IGSO3(1.5))
    part: str | None = "rotation"
    space: Space = field(default_factory=SE3)

    def __post_init__(self) -> None:
        require_part("TurnedData.reference", self.reference, IGSO3, "a law of rotations, IGSO3(1.5)")
        require_part("TurnedData.space", self.space, Space, "a space such as SE3()")
        require(
            self.part is not None or isinstance(self.space, SO3),
            f"without a part states are rotations, but the space is {type(self.space).__name__}; use SO3()",
            Incompatible,
        )

    def __call__(self, x1: State, cond: Cond, *, generator: Gen = None) -> State:
        """Sources, shaped like `x1`."""
        turn = lambda r: map_state(lambda p, q: p @ q, r, self.reference.noise(r, generator=generator))
        if self.part is None:
            return turn(x1)
        if not isinstance(x1, Mapping) or self.part not in x1:
            raise InvalidInput(
                f"x1 is {shapes(x1)}, expected a mapping with the part {self.part!r}; name its rotations"
            )
        noise = self.space.noise(x1, generator=generator)
        assert isinstance(noise, Mapping)
        return {**noise, self.part: turn(x1[self.part])}
