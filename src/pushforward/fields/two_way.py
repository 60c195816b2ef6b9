"""The network says the drift of a diffusion and that of its time reversal."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from pushforward.core import (
    Incompatible,
    InvalidInput,
    Path,
    Point,
    State,
    align,
    like,
    map_state,
    require,
    same_shape,
    shapes,
)
from pushforward.fields.stacked import Stacked, stack
from pushforward.paths import BridgeMixture
from pushforward.spaces import Euclidean

__all__ = ["Drifts", "TwoWay"]

EDGE = 1e-3  # of time at both ends, where drifts diverge


class Drifts(NamedTuple):
    r"""Two motions at x, each scored by the squared Riemannian length of its error.

    .. math:: \ell = \tfrac1n \lVert \eta_f - y_f \rVert_{g(x)}^2 + \tfrac1n \lVert \eta_b - y_b \rVert_{g(x)}^2

    Shapes: `ahead`, `back` and `x` `[B, *E]` (or mappings); targets have both side by side on the first event axis, as
        `stack` lays them. The loss is `[B]`.
    Raises: `InvalidInput` for motions that are not shaped like their targets.
    """

    ahead: State
    back: State
    x: State
    space: Any

    @property
    def mean(self) -> State:
        """Both, side by side."""
        return stack(self.ahead, self.back)

    def loss(self, target: State) -> Tensor:
        """Squared lengths of both errors of every row, means over free coordinates."""
        if not same_shape(self.mean, target):
            raise InvalidInput(
                f"the network says motions {shapes(self.mean)} for targets {shapes(target)}, two side by side on the "
                "first event axis; build it with outputs=2"
            )
        gap = map_state(lambda u, y: u - y, self.mean, target)
        square = lambda part: self.space.inner(self.x, part, part) / self.space.dimension(self.x)
        ahead, back = Stacked(gap, (1.0, 1.0)).split(self.x)
        return square(ahead) + square(back)


@dataclass(frozen=True)
class TwoWay:
    r"""Two-way bridge matching: one network says both drifts, and so flow, score, and diffusion.

    .. math:: \eta_f = \frac{P_x\, \mathrm{net}_1(x, t)}{1 - t}, \quad \eta_b = \frac{P_x\, \mathrm{net}_2(x, t)}{t},
              \qquad v = \frac{\eta_f - \eta_b}2, \qquad \nabla \log p_t = \frac{\eta_f + \eta_b}{\beta_t}

    `FlowSDE(field, eps=path.eps)` is the diffusion with drift :math:`v + \tfrac{\beta}2 \nabla \log p_t = \eta_f`. Both
    drifts are told at the time t of the path; the paper gives the second one its own clock, 1 - t.

    Targets have a variance of about beta / (1 - t) and beta / t near the ends, which a short training feels:
    `FlowMatching(path, TwoWay(), times=InverseRate(path.rate), weight=lambda t: t * (1 - t))` evens it out. Without the
    weight it is the paper's loss.

    Source: Jo & Hwang, Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion Processes (ICML 2024),
        https://arxiv.org/abs/2310.07216. Differs: the answers are drifts over the time that is left, so that they stay
        bounded, and one network of two outputs says both. (In the released `ApproxMixture` sampling the flow follows
        the forward drift alone; its likelihood is right.)

    Raises: `Incompatible` (`check`) on a path that is no mixture of bridges.

    Example:
        >>> from pushforward.spaces import Sphere
        >>> path = pf.paths.BridgeMixture(Sphere())
        >>> field = pf.fields.NetField(pf.nets.MLP((3,), outputs=2), TwoWay(), path)
        >>> x, t = Sphere().noise(torch.empty(5, 3)), torch.full((5,), 0.5)
        >>> field(x, t).shape, field.score(x, t).shape
        (torch.Size([5, 3]), torch.Size([5, 3]))
    """

    outputs = 2

    def span(self, path: Path) -> tuple[float, float]:
        """Where the drifts are regular."""
        return (EDGE, 1 - EDGE)

    def check(self, path: Path) -> None:
        """The path must be a mixture of bridges."""
        require(
            isinstance(path, BridgeMixture),
            f"TwoWay says the drifts of bridges, which {type(path).__name__} does not have; use BridgeMixture, or "
            "Velocity",
            Incompatible,
        )

    def moves(self, path: Path) -> bool:
        """Whether a velocity follows: always."""
        return True

    def law(self, out: State, x: State, t: Tensor) -> Drifts:
        """Point estimates in flat space."""
        return self.law_on(Euclidean(), out, x, t)

    def law_on(self, space: Any, out: State, x: State, t: Tensor) -> Drifts:
        """Point estimates of both drifts; `out` has two tangent vectors side by side where the space says how."""
        motion = getattr(space, "motion", space.tangent)
        left = (1 - t).clamp_min(EDGE), t.clamp_min(EDGE)
        ahead, back = (
            map_state(lambda p: like(p / align(time, p), p), motion(x, part))  # noqa: B023
            for time, part in zip(left, _halves(out, x), strict=True)
        )
        return Drifts(ahead, back, x, space)

    def target(self, path: Path, point: Point) -> State:
        """Both conditional drifts."""
        return stack(*_bridges(path).drifts(point))

    def velocity(self, path: Path, law: Any, x: State, t: Tensor) -> State:
        """Half the difference."""
        return map_state(lambda p, q: (p - q) / 2, law.ahead, law.back)

    def score(self, path: Path, law: Any, x: State, t: Tensor) -> State:
        """The sum over beta."""
        beta = _bridges(path).rate(t)
        return map_state(lambda p, q: like((p + q) / align(beta, p), p), law.ahead, law.back)

    def drift(self, path: Path, law: Any, x: State, t: Tensor, push: Tensor) -> State:
        """Velocity + push score: the drifts, weighed by 1/2 + push / beta and push / beta - 1/2."""
        share = push / _bridges(path).rate(t)
        one, other = share + 0.5, share - 0.5
        return map_state(lambda p, q: like(align(one, p) * p + align(other, q) * q, p), law.ahead, law.back)


def _bridges(path: Path) -> BridgeMixture:
    assert isinstance(path, BridgeMixture)
    return path


def _halves(out: State, x: State) -> tuple[State, State]:
    """Two answers side by side, those about single numbers `[B]` shaped like these."""

    def half(k: int) -> State:
        cut = map_state(lambda m: m.chunk(2, 1)[k], out)
        return map_state(lambda m, p: m.reshape(p.shape) if p.ndim == 1 else m, cut, x)

    return half(0), half(1)
