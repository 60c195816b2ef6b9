"""Affine paths with more than two anchors."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from pushforward.core import (
    Gen,
    InvalidInput,
    Pairs,
    Point,
    Space,
    State,
    align,
    like,
    map_state,
    require_part,
    same_shape,
    shapes,
)
from pushforward.paths.curves import Curve, Pairwise
from pushforward.paths.flat import probe_times, require_flat_space, require_inside
from pushforward.spaces import Euclidean

__all__ = ["MultiAffine", "blend", "check_anchors"]


@dataclass(frozen=True)
class MultiAffine:
    r"""A weighted sum of K anchors, the weights a function of time.

    .. math:: x_t = \sum_k a_k(t)\, x_k, \qquad \dot x_t = \sum_k a'_k(t)\, x_k, \qquad \sum_k a_k(t) = 1

    On a time axis the curve is `Pairwise` or `NaturalSpline`, anchor k is met at its time, and a field learned with
    `FlowMatching` passes through all marginals. On the simplex it is any `Curve` between two corners, and what is
    learned serves this curve alone; `objectives.Multimarginal` learns all curves at once.

    Source: Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling with Stochastic Interpolants
        (ICLR 2024), https://arxiv.org/abs/2310.03695.

    Args:
        curve: Times to weights and their derivatives.
        space: Flat, or a convex part of flat space; a weighted sum of points means nothing elsewhere.

    Shapes: K anchors `[B, *E]` or mappings of such, times `[B]` in [0, 1].
    Raises: `Incompatible` for a curve that is none, a space that is not flat, and on a convex part of one for weights
        that are no convex combination (splines); `InvalidInput` for anchors of another number, of different shapes, or
        at other times than those of the curve.

    Example:
        >>> path = MultiAffine(Pairwise((0.0, 0.5, 1.0)))
        >>> pairs = Pairs((torch.zeros(1, 1), torch.ones(1, 1), torch.full((1, 1), 3.0)), times=(0.0, 0.5, 1.0))
        >>> point = path.sample(pairs, torch.tensor([0.75]))
        >>> point.x, path.velocity(point)
        (tensor([[2.]]), tensor([[4.]]))
    """

    curve: Curve = field(default_factory=Pairwise)
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_part("MultiAffine.curve", self.curve, Curve, "times to weights, as Pairwise((0.0, 0.5, 1.0))")
        require_flat_space("MultiAffine", self.space)
        require_inside("MultiAffine", self.curve, self.space, self.curve(probe_times())[0])

    def sample(self, pairs: Pairs, t: Float[Tensor, " b"], *, generator: Gen = None) -> Point:
        """x_t given all anchors; nothing is drawn."""
        check_anchors(pairs, self.curve.marginals)
        times = getattr(self.curve, "times", None)
        if times is not None and max(abs(a - b) for a, b in zip(times, pairs.times, strict=False)) > 1e-6:
            raise InvalidInput(
                f"the curve meets its anchors at {times}, these pairs have times {pairs.times}; give both the same"
            )
        return Point(blend(self.curve(t)[0], pairs.anchors), t, pairs)

    def velocity(self, point: Point) -> State:
        """Conditional velocity at a drawn point."""
        return blend(self.curve(point.t)[1], point.pairs.anchors)


def check_anchors(pairs: Pairs, marginals: int) -> None:
    """Refuse pairs that do not have so many anchors of one shape."""
    if len(pairs.anchors) != marginals:
        raise InvalidInput(
            f"these pairs have {len(pairs.anchors)} anchors, the path joins {marginals}; give one per marginal"
        )
    for k, anchor in enumerate(pairs.anchors[1:], 1):
        if not same_shape(pairs.anchors[0], anchor):
            raise InvalidInput(
                f"anchor 0 has shape {shapes(pairs.anchors[0])} and anchor {k} has {shapes(anchor)}; give all one shape"
            )


def blend(weights: Float[Tensor, "b k"], anchors: tuple[State, ...]) -> State:
    """The sum over k of `weights[:, k]` times anchor k."""

    def add(first: Tensor, *rest: Tensor) -> Tensor:
        total = align(weights[:, 0], first) * first
        for k, leaf in enumerate(rest, 1):
            total = total + align(weights[:, k], leaf) * leaf
        return like(total, first, *rest)

    return map_state(add, anchors[0], *anchors[1:])
