"""Products of spaces."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from torch import Tensor

from pushforward.core import Gen, Incompatible, InvalidInput, Manifold, State, require, require_part, shapes
from pushforward.spaces._radial import root
from pushforward.spaces.euclidean import Euclidean
from pushforward.spaces.igso3 import IGSO3
from pushforward.spaces.pull_back import pull_back
from pushforward.spaces.so3 import SO3

__all__ = ["SE3", "Product"]


@dataclass(frozen=True, init=False, repr=False)
class Product:
    r"""States with named parts, each in a space of its own, with the product metric.

    .. math:: \exp_x u = (\exp_{x_k} u_k)_k, \qquad \langle u, v\rangle = \sum_k \langle u_k, v_k\rangle, \qquad
              d(x, y)^2 = \sum_k d(x_k, y_k)^2, \qquad \log p(x) = \sum_k \log p_k(x_k)

    Noise is drawn part by part. `features` leaves the parts alone whose spaces have none.

    Args:
        spaces: Manifolds by the names of the parts.

    Shapes: states and motions `{name: [B, *E]}` with exactly these names.
    Raises: `Incompatible` without parts, or for one that is no manifold; `InvalidInput` for states with other parts.

    Example:
        >>> space = Product(place=pf.spaces.Euclidean(), angle=pf.spaces.Torus())
        >>> x = {"place": torch.zeros(1, 3), "angle": torch.zeros(1, 1)}
        >>> space.distance(x, {"place": torch.tensor([[1.5, 0.0, 0.0]]), "angle": torch.tensor([[2.0]])})
        tensor([2.5000])
    """

    spaces: tuple[tuple[str, Manifold], ...]

    def __init__(self, **spaces: Manifold) -> None:
        require(bool(spaces), "Product has no parts; name them, as in Product(place=Euclidean())", Incompatible)
        for name, space in spaces.items():
            require_part(f"Product.{name}", space, Manifold, "a manifold, such as Sphere()")
        object.__setattr__(self, "spaces", tuple(spaces.items()))

    def __repr__(self) -> str:
        return f"Product({', '.join(f'{name}={space!r}' for name, space in self.spaces)})"

    def __getitem__(self, name: str) -> Manifold:
        """The space of a part."""
        return dict(self.spaces)[name]

    @property
    def convex(self) -> bool:
        """Whether straight segments stay inside: whether they do in all parts."""
        return all(getattr(space, "convex", False) for _, space in self.spaces)

    def _parts(self, *states: State) -> Iterator[tuple[str, Any, list[Any]]]:
        """Name, space, and the leaves of all states there."""
        names = [name for name, _ in self.spaces]
        for x in states:
            if not isinstance(x, Mapping) or sorted(x) != sorted(names):
                raise InvalidInput(f"the state is {shapes(x)}, expected a mapping with the parts {', '.join(names)}")
        for name, space in self.spaces:
            yield name, space, [x[name] for x in states if isinstance(x, Mapping)]

    def _each(self, f: Callable[..., Any], *states: State) -> State:
        return {name: f(space, *parts) for name, space, parts in self._parts(*states)}

    def _sum(self, f: Callable[..., Any], *states: State) -> Any:
        return reduce(lambda a, b: a + b, (f(space, *parts) for _, space, parts in self._parts(*states)))

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """Every part moved."""
        return self._each(lambda space, p, q: space.move(p, q, dt, generator=generator), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of all parts, in the order of their names' declaration."""
        return self._each(lambda space, p: space.noise(p, generator=generator), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Sum of the log-densities `[B]`."""
        return self._sum(lambda space, p: space.noise_log_prob(p), x)

    def exp(self, x: State, u: State) -> State:
        """Part by part."""
        return self._each(lambda space, p, q: space.exp(p, q), x, u)

    def log(self, x: State, y: State) -> State:
        """Part by part."""
        return self._each(lambda space, p, q: space.log(p, q), x, y)

    def tangent(self, x: State, u: State) -> State:
        """Part by part."""
        return self._each(lambda space, p, q: space.tangent(p, q), x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Sum of the inner products `[B]`."""
        return self._sum(lambda space, p, q, r: space.inner(p, q, r), x, u, v)

    def project(self, x: State) -> State:
        """Part by part."""
        return self._each(lambda space, p: space.project(p), x)

    def dimension(self, x: State) -> int:
        """Sum of the dimensions."""
        return self._sum(lambda space, p: space.dimension(p), x)

    def log_volume(self, x: State) -> Tensor:
        """Sum of the log-volumes `[B]`."""
        return self._sum(lambda space, p: space.log_volume(p), x)

    def distance(self, x: State, y: State) -> Tensor:
        """Root of the sum of squares `[B]`."""
        return root(self._sum(lambda space, p, q: space.distance(p, q).square(), x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """Part by part."""
        return self._each(lambda space, p, q, r: space.transport(p, q, r), x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """Part by part."""
        return self._each(pull_back, x, u, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return self._each(lambda space, p: space.tangent_noise(p, generator=generator), x)

    def features(self, x: State) -> State:
        """Part by part."""
        return self._each(lambda space, p: space.features(p) if hasattr(space, "features") else p, x)

    def motion(self, x: State, out: State) -> State:
        """Part by part."""
        return self._each(lambda space, p, q: getattr(space, "motion", space.tangent)(p, q), x, out)


def SE3(reference: IGSO3 | None = None) -> Product:  # noqa: N802 - it names a space
    r"""Places and orientations of rigid bodies: the product R^3 x SO(3), with parts `shift` and `rotation`.

    .. math:: d^2 = |s - s'|^2 + \angle(R^\top R')^2

    The usual choice for generating frames; screw motions, the geodesics of the group's exponential, are not its
    geodesics.

    Source: Yim et al., Fast protein backbone generation with SE(3) flow matching (2023),
        https://arxiv.org/abs/2310.05297.

    Args:
        reference: Law of the rotations' noise; None for the uniform law.

    Shapes: `{"shift": [B, *E, 3], "rotation": [B, *E, 3, 3]}`.

    Example:
        >>> x = SE3().noise({"shift": torch.empty(2, 3), "rotation": torch.empty(2, 3, 3)})
        >>> SE3().dimension(x)
        6
    """
    return Product(shift=Euclidean(), rotation=SO3(reference))
