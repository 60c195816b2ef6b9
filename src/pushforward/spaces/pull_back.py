"""Motions found at other points, brought back along geodesics."""

from pushforward.core import Smooth, State, jvp
from pushforward.spaces.euclidean import Euclidean

__all__ = ["pull_back"]


def pull_back(space: Smooth, x: State, u: State, v: State) -> State:
    r"""The tangent vector at `x` that moves the end of the geodesic `u` as `v` does.

    .. math:: w = (d\exp_x)_u^{-1}\, v = \frac{d}{d\epsilon} \log_x\big(\text{curve with velocity } v
              \text{ through } \exp_x u\big), \qquad v \in T_{\exp_x u}

    In normal coordinates at x a field is an equation in one flat space, whose solvers add such vectors and stay on the
    space at any order. Spaces with a closed form, and those whose `exp` folds so that `log` has no derivative, bring a
    `pull_back` of their own.

    Args:
        space: Where the points live.
        x: Points `[B, *E]`.
        u: Tangent at x, shorter than the injectivity radius.
        v: Tangent at exp_x(u).

    Returns: `[B, *E]`, tangent at x.

    Example:
        >>> pull_back(pf.spaces.Euclidean(), torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([[1.0, 2.0]]))
        tensor([[1., 2.]])
    """
    if isinstance(space, Euclidean):
        return v
    own = getattr(space, "pull_back", None)
    if own is not None:
        return own(x, u, v)
    _, w = jvp(lambda y: space.log(x, y), (space.exp(x, u),), (v,))
    return space.tangent(x, w)
