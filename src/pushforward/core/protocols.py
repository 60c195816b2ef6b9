"""The seven Protocols (Space, Path, Coupling, Head, Field, Solver, Objective), their refinements, and the other views.

Shapes everywhere: states `[B, *E]`, times `[B]`. `s -> t` reads from -> to; s > t is allowed.
"""

from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from pushforward.core.random import Gen
from pushforward.core.records import Coeffs, Estimate, Loss, Pairs, Point, Step
from pushforward.core.state import Cond, State

__all__ = [
    "AffinePath",
    "Coupling",
    "EndpointPath",
    "Estimator",
    "Field",
    "FlowMap",
    "Head",
    "Law",
    "Manifold",
    "Objective",
    "Path",
    "Schedule",
    "ScoreHead",
    "Smooth",
    "Solver",
    "Space",
    "at",
    "span_of",
]


@runtime_checkable
class Space(Protocol):
    """Where states live. A motion u is a tangent vector, or on Tokens a row of jump rates.

    A space with `convex = True` is a convex part of flat space: straight segments between its states stay inside.
    """

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """Follow motion `u` from `x` for a time `dt` `[B]`."""
        ...

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the space's reference law, shaped like `like`."""
        ...


@runtime_checkable
class Smooth(Space, Protocol):
    """A space with geodesics: what order > 1 and metric losses need."""

    def exp(self, x: State, u: State) -> State:
        """End of the geodesic that leaves `x` with velocity `u` after unit time."""
        ...

    def log(self, x: State, y: State) -> State:
        """The velocity at `x` whose geodesic reaches `y` after unit time."""
        ...

    def tangent(self, x: State, u: State) -> State:
        """Projection of `u` on the tangent space at `x`."""
        ...

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Riemannian inner product `[B]`."""
        ...


@runtime_checkable
class Manifold(Smooth, Protocol):
    """A smooth space that knows its own measure: what densities, networks and solvers on curved spaces need.

    Event axes before those of a point are a product of as many copies. Of what may be there besides:
    `distance(x, y)` `[B]`; `transport(x, y, u)`, parallel along the geodesic; `tangent_noise(x, generator=)`, standard
    normal tangent vectors; `features(x)`, what a network is best told of a point, and `motion(x, out)`, the tangent
    vector that its answer means; `pull_back(x, u, v)`, the differential of `exp` at x undone, in closed form or where
    `log` has no derivative.
    """

    def project(self, x: State) -> State:
        """The nearest point of the space; the identity on its points."""
        ...

    def dimension(self, x: State) -> int:
        """Number of free coordinates of a row."""
        ...

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise against the Riemannian volume, in nats."""
        ...

    def log_volume(self, x: State) -> Tensor:
        """log sqrt(det g) `[B]` in the coordinates of `x`; 0 where these are an isometric embedding."""
        ...


@runtime_checkable
class Schedule(Protocol):
    """Times `[B]` to the coefficients of x_t = alpha x1 + sigma x0, derivatives in closed form."""

    def __call__(self, t: Tensor) -> Coeffs: ...


@runtime_checkable
class Path(Protocol):
    """A conditional path: the law of x_t given its anchors, and its motion."""

    @property
    def space(self) -> Space:
        """Where its states live."""
        ...

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """A draw of x_t given the anchors."""
        ...

    def velocity(self, point: Point) -> State:
        """Conditional motion at a drawn point; its mean given x_t is what fields learn."""
        ...


@runtime_checkable
class EndpointPath(Path, Protocol):
    """A path whose marginal motion follows from the law of x1 given x_t."""

    def drift(self, law: "Law", x: State, t: Tensor) -> State:
        """Marginal motion from p(x1 | x_t)."""
        ...


@runtime_checkable
class AffinePath(EndpointPath, Protocol):
    """x_t = alpha x1 + sigma x0 (+ gamma z)."""

    def coeffs(self, t: Tensor) -> Coeffs:
        """alpha, sigma and their derivatives."""
        ...

    def estimate(self, u: State, x: State, t: Tensor) -> Estimate:
        """Both ends from a velocity: the one pivot between all parametrisations."""
        ...

    def from_endpoint(self, x1: State, x: State, t: Tensor) -> Estimate:
        """Both ends from E[x1 | x_t], which stays as it is."""
        ...

    def from_noise(self, x0: State, x: State, t: Tensor) -> Estimate:
        """Both ends from E[x0 | x_t], which stays as it is."""
        ...


@runtime_checkable
class Coupling(Protocol):
    """Who travels to whom: re-indexes (or moves) rows of two independent batches; `cond` belongs to `x1`."""

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs: ...


@runtime_checkable
class Law(Protocol):
    """What a net says about one quantity given x_t (Dirac, Normal, Categorical, Mixture)."""

    @property
    def mean(self) -> State:
        """Its mean."""
        ...

    def loss(self, target: State) -> Tensor:
        """A proper score `[B]`: squared error (mean over coordinates), cross-entropy, negative log-likelihood."""
        ...


@runtime_checkable
class Head(Protocol):
    """What the network is asked for, and how its answer becomes a velocity."""

    def span(self, path: Path) -> tuple[float, float]:
        """The part of [0, 1] on which that velocity is regular, so that samplers know where to start and stop."""
        ...

    def check(self, path: Path) -> None:
        """Raise `Incompatible` when this head makes no sense on `path`."""
        ...

    def law(self, out: State, x: State, t: Tensor) -> Law:
        """The network's output read as a law of the asked quantity."""
        ...

    def target(self, path: Path, point: Point) -> State:
        """What `law` is scored against at a drawn point."""
        ...

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The marginal velocity that follows from `law`."""
        ...


@runtime_checkable
class AffineHead(Head, Protocol):
    """A head for affine paths: its quantity tells both ends, and its errors are those of every other such head."""

    def error(self, c: Coeffs) -> Tensor:
        """Size `[B]` of its error where the velocity's is W; sigma for data, alpha for noise."""
        ...

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends from `law`; an end that the network says is handed on as it is."""
        ...


@runtime_checkable
class ScoreHead(Head, Protocol):
    """A head whose quantity tells grad log p_t as well, whatever the source and the coupling.

    Of what may be there besides: `drift(path, law, x, t, push)` gives velocity + push score, `push` `[B]`, finite where
    they are not one by one; `moves(path)` says whether a velocity follows at all.
    """

    def score(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The marginal score that follows from `law`."""
        ...


@runtime_checkable
class Field(Protocol):
    """Motion at x and t; any callable of this shape is one."""

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State: ...


def span_of(*fields: Any) -> tuple[float, float]:
    """The times at which all of these fields are regular: their common `span`; a field without one has [0, 1]."""
    spans = [getattr(field, "span", (0.0, 1.0)) for field in fields]
    return (max(low for low, _ in spans), min(high for _, high in spans))


def at(part: Any, progress: float) -> Any:
    """The part at a share `progress` in [0, 1] of the training: what has a curriculum says by `at` what is due."""
    return part.at(progress) if hasattr(part, "at") else part


@runtime_checkable
class Estimator(Protocol):
    """Both ends seen from x and t."""

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> Estimate: ...


@runtime_checkable
class FlowMap(Protocol):
    """Arrival at time t of what was at x at time s."""

    def __call__(self, x: State, s: Tensor, t: Tensor, cond: Cond = None) -> State: ...


@runtime_checkable
class Solver(Protocol):
    """One step of following `dynamics` (a Field, Estimator, FlowMap or SDE: the solver's type says which)."""

    def step(
        self,
        dynamics: Any,
        x: State,
        s: Tensor,
        t: Tensor,
        cond: Cond = None,
        *,
        carry: Any = None,
        generator: Gen = None,
    ) -> Step:
        """From x at time s `[B]` to time t `[B]`."""
        ...


Batch = TypeVar("Batch", contravariant=True)


@runtime_checkable
class Objective(Protocol[Batch]):
    """Batch -> Loss; also `.field(net)` or `.flow_map(net)`: what is trained is what is sampled."""

    def __call__(self, net: nn.Module, batch: Batch, *, generator: Gen = None) -> Loss: ...
