"""The views of a trained network: a velocity, or both ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from pushforward.core import AffineHead, Cond, Estimate, Head, Incompatible, Law, Path, ScoreHead, State, require
from pushforward.fields.ends import require_affine
from pushforward.spaces import is_curved

__all__ = ["NetEstimator", "NetField", "NetScore", "check_head", "hear"]


def hear(net: Callable[..., Any], x: State, t: Tensor, cond: Cond = None, *, head: Head, path: Path) -> Law:
    """What a network says at `x` and `t`: told the features of a curved space, its answer is read there."""
    space: Any = path.space
    if not is_curved(space):
        return head.law(net(x, t, cond), x, t)
    told = space.features(x) if hasattr(space, "features") else x
    return cast(Any, head).law_on(space, net(told, t, cond), x, t)


def check_head(head: Head, path: Path) -> None:
    """Raise `Incompatible` when what `head` asks makes no sense on `path`, or on its space."""
    head.check(path)
    require(
        not is_curved(path.space) or hasattr(head, "law_on"),
        f"{type(head).__name__} says points of flat space, and {type(path.space).__name__} is curved; use Velocity()",
        Incompatible,
    )


@dataclass(frozen=True)
class NetField:
    r"""A network seen as a velocity field.

    .. math:: v(x, t, c) = \mathrm{velocity}\big(\mathrm{law}(\mathrm{net}(x, t, c))\big)

    Where the head tells a score (`FlowAndScore`, `LatentNoise`) the field has one, `score(x, t, cond)`; and where
    velocity and score follow of one evaluation, `drift(x, t, cond, push)`, which is velocity + push score.

    Args:
        net: `net(x, t, cond)` gives what `head` asks for, `[B, *E]`.
        head: What the network says.
        path: What turns it into a velocity.
    """

    net: nn.Module
    head: Head
    path: Path

    def __post_init__(self) -> None:
        check_head(self.head, self.path)

    @property
    def span(self) -> tuple[float, float]:
        """The times between which the velocity is regular, and may be followed."""
        return self.head.span(self.path)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Law:
        """What the network says at `x` and `t`."""
        return hear(self.net, x, t, cond, head=self.head, path=self.path)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """Marginal velocity at `x` `[B, *E]` and `t` `[B]`."""
        return self.head.velocity(self.path, self.law(x, t, cond), x, t)

    @property
    def score(self) -> "NetScore":
        """The score view of the network; a field whose head tells none has no such attribute."""
        if not isinstance(self.head, ScoreHead):
            raise AttributeError(f"{type(self.head).__name__} tells no score")
        return NetScore(self)

    @property
    def drift(self) -> Callable[[State, Tensor, Cond, Tensor], State]:
        """Velocity + push score of one evaluation; there only where the head tells both."""
        told = cast(Any, self.head).drift
        return lambda x, t, cond, push: told(self.path, self.law(x, t, cond), x, t, push)


@dataclass(frozen=True)
class NetScore:
    r"""A network seen as the score of the marginals.

    .. math:: s(x, t, c) = \nabla_x \log p_t(x \mid c)

    Args:
        field: The velocity view of the network.

    Raises: `Incompatible` at construction for a head that tells no score.
    """

    field: NetField

    def __post_init__(self) -> None:
        name = type(self.field.head).__name__
        require(
            isinstance(self.field.head, ScoreHead),
            f"{name} tells no score by itself; use FlowAndScore or LatentNoise, or FlowSDE(field, eps, score=path) "
            "where the source is noise that is independent of the data",
            Incompatible,
        )

    @property
    def span(self) -> tuple[float, float]:
        """The times between which the score is regular."""
        return self.field.head.span(self.field.path)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """Score at `x` `[B, *E]` and `t` `[B]`."""
        head = cast(ScoreHead, self.field.head)
        return head.score(self.field.path, self.field.law(x, t, cond), x, t)


@dataclass(frozen=True)
class NetEstimator:
    r"""A network seen as an estimate of both ends.

    .. math:: \big(\mathrm E[x_1 | x_t = x],\ \mathrm E[x_0 | x_t = x]\big)

    An end that the network says itself is handed on, not sent through the velocity and back; so a noise predictor gives
    its x0 at t = 0 and a denoiser its x1 at t = 1, where the velocity is singular. The other end is not determined
    there.

    Args:
        field: The velocity view of the network.

    Raises: `Incompatible` at construction on a path whose velocity does not tell its ends.
    """

    field: NetField

    def __post_init__(self) -> None:
        require_affine(self.field.path, "NetEstimator")

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> Estimate:
        """Both ends seen from `x` and `t`."""
        path, head = require_affine(self.field.path, "NetEstimator"), self.field.head
        if isinstance(head, AffineHead):
            return head.estimate(path, self.field.law(x, t, cond), x, t)
        return path.estimate(self.field(x, t, cond), x, t)
