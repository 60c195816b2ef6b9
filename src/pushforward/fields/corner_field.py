"""The conditional means of all corners of a simplex, seen as a velocity field along a curve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, InvalidInput, State, align, leaves, like, map_state, require, require_part
from pushforward.paths import Curve

__all__ = ["CornerField", "Corners", "check_means", "consistent", "motion"]

TINY = 1e-12  # of a weight that is divided by; far below any that matters


@runtime_checkable
class Corners(Protocol):
    """A network or exact answer g(x, a): at a point a `[B, K]` of the simplex, E[x_k | x(a) = x] for all k."""

    def __call__(self, x: State, a: Tensor, cond: Cond = None) -> State:
        """Means `[B, K, *E]`."""
        ...


@dataclass(frozen=True)
class CornerField:
    r"""The velocity along one curve of the simplex, from the conditional means that serve all curves.

    .. math:: v(x, t) = \sum_k a'_k(t)\, g_k\big(x, a(t)\big), \qquad
              g_k(x, a) = \mathrm E\Big[x_k \,\Big|\, \sum_j a_j x_j = x\Big]

    Every curve between two corners carries the one marginal to the other; the maps differ, but in one dimension or
    between Gaussians whose covariances commute. Where anchor n is standard normal and independent of the others, the
    score is known, too, :math:`s = -g_n / a_n`, and `FlowSDE` takes the field as it is: let its noise vanish where the
    curve has a_n = 0.

    Source: Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling with Stochastic Interpolants
        (ICLR 2024), https://arxiv.org/abs/2310.03695.

    Args:
        corners: `g(x, a, cond)` gives all K means `[B, K, *E]`.
        curve: Times to a and a', `[B, K]` each.
        noise: n, the marginal that is independent and standard normal; None if there is none: no score then.
        consistent: Whether the means are moved onto what they must satisfy; see `consistent`.

    Shapes: `x` `[B, *E]` or a mapping, `t` `[B]` in [0, 1].
    Raises: `Incompatible` at construction for a curve that is none; `InvalidInput` for a `noise` out of range, or means
        of another shape.

    Example:
        >>> oracle = pf.oracles.IndependentGaussians([[0.0], [4.0], [9.0]], [1.0, 1.0, 1.0])
        >>> CornerField(oracle, pf.paths.Polyline.edge(0, 2, marginals=3))(torch.zeros(1, 1), torch.zeros(1))
        tensor([[9.]])
    """

    corners: Corners
    curve: Curve
    noise: int | None = None
    consistent: bool = True

    def __post_init__(self) -> None:
        require_part("CornerField.curve", self.curve, Curve, "times to weights, as Polyline.edge(0, 1, marginals=3)")
        size = self.curve.marginals
        require(
            self.noise is None or 0 <= self.noise < size,
            f"noise is marginal {self.noise}, expected one of 0 to {size - 1}, or None",
        )

    def means(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """g_k for all k, `[B, K, *E]`."""
        return self._means(x, self.curve(t)[0], cond)

    def __call__(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """Marginal velocity."""
        a, d_a = self.curve(t)
        return motion(d_a, self._means(x, a, cond))

    @property
    def score(self) -> Callable[..., State] | None:
        """grad log p_t, a function of x, t and cond; None where no marginal is known to be noise."""
        return None if self.noise is None else self._score

    def _score(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        a = self.curve(t)[0]
        n = self.noise
        scale = a[:, n].clamp_min(TINY)
        return map_state(lambda g: like(-g[:, n] / align(scale, g[:, n]), g), self._means(x, a, cond))

    def _means(self, x: State, a: Tensor, cond: Cond) -> State:
        g = self.corners(x, a, cond)
        check_means(g, x, a)
        return consistent(g, x, a) if self.consistent else g


def motion(d_a: Float[Tensor, "b k"], means: State) -> State:
    """The sum over k of `d_a[:, k]` times mean k, `[B, *E]`."""
    return map_state(lambda g: like((align(d_a, g) * g).sum(1), g), means)


def consistent(means: State, x: State, a: Float[Tensor, "b k"]) -> State:
    r"""The nearest means that satisfy what conditional means do.

    .. math:: \sum_k a_k g_k = x: \qquad g_k \leftarrow g_k + \frac{a_k}{|a|^2} \Big(x - \sum_j a_j g_j\Big)

    At a corner that mean is x itself, whatever the network says. Exact means stay as they are, and others come nearer
    to them: this is an orthogonal projection.
    """
    share = a / a.square().sum(1, keepdim=True)

    def project(g: Tensor, y: Tensor) -> Tensor:
        rest = y - (align(a, g) * g).sum(1)
        return like(torch.addcmul(g, align(share, g), rest[:, None]), g, y)

    return map_state(project, means, x)


def check_means(means: Any, x: State, a: Tensor) -> None:
    """Refuse what is not one mean per marginal."""
    for g, y in zip(leaves(means), leaves(x), strict=True):
        if g.shape != (len(y), a.shape[1], *y.shape[1:]):
            raise InvalidInput(
                f"the network gave shape {list(g.shape)} for states of shape {list(y.shape)} and {a.shape[1]} "
                "marginals; let it return [B, K, *E], as nets.CornerNet does"
            )
