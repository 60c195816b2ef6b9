"""Conditional flow matching: regression onto the motion of pairs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.core import (
    AffineHead,
    AffinePath,
    Gen,
    Head,
    Incompatible,
    Law,
    Loss,
    Pairs,
    Path,
    Point,
    State,
    cat_states,
    drop_condition,
    leaves,
    require,
    require_part,
)
from pushforward.fields import NetField, Velocity, check_head, hear
from pushforward.objectives.times import Draw, Independent, TimeLaw, Uniform
from pushforward.objectives.weights import NamedLoss, One, Weight
from pushforward.paths import Affine

__all__ = ["FieldTerm", "FlowMatching", "Term"]

EARLY = 1e-4  # named losses are weighed as of then before it: at t = 0 the ratio of their errors may be 0/0
TINY = 1e-12  # and sigma no less than that


@runtime_checkable
class Term(Protocol):
    """A further loss on the same forward pass (contrastive, physics residual, ...)."""

    @property
    def name(self) -> str:
        """Its key in `Loss.terms`."""
        ...

    def __call__(self, point: Point, law: Law, objective: "FlowMatching") -> Tensor:
        """Loss of every row, `[B]`."""
        ...


@runtime_checkable
class FieldTerm(Protocol):
    """A further loss that asks the network again: at other points, or for its derivatives."""

    @property
    def name(self) -> str:
        """Its key in `Loss.terms`."""
        ...

    def check(self, objective: "FlowMatching") -> None:
        """Raise `Incompatible` when it makes no sense beside this path and head."""
        ...

    def ask(
        self,
        answer: Callable[[State, Tensor], Law],
        point: Point,
        law: Law,
        objective: "FlowMatching",
        *,
        generator: Gen = None,
    ) -> Tensor:
        """Loss of every row, `[B]`; `law` is `answer(point.x, point.t)`, what the network says under its condition."""
        ...


@dataclass(frozen=True)
class FlowMatching:
    r"""Regression of a network onto the conditional motion, at random times.

    .. math:: L(\theta) = \mathrm E_{t \sim p,\ (x_0, x_1) \sim \pi}\; w(t)\,
              \ell\big(\mathrm{law}_\theta(x_t, t, c),\ \mathrm{target}(x_0, x_1, t)\big)

    With the `Velocity` head the loss is :math:`\tfrac1d |v_\theta - \dot x_t|^2`, a mean over coordinates (papers often
    sum: a factor d). The minimiser is the marginal velocity for any p and w that vanish nowhere; they decide only where
    errors are spent.

    Source: Lipman et al., Flow Matching for Generative Modeling (ICLR 2023), https://arxiv.org/abs/2210.02747; time
        laws from Esser et al., https://arxiv.org/abs/2403.03206.

    Args:
        path: How pairs are joined.
        head: What the network says; checked against the path.
        times: Law p of the training time.
        draw: How the uniform numbers behind a batch of times are drawn.
        weight: w, from times `[B]` to `[B]`, which multiplies the head's own loss; or a named loss such as
            `NoiseLoss()`, which is minimised whatever the head, on the path's schedule (see `weights`).
        cond_drop: Probability of replacing a row's condition by the null condition, in [0, 1]; what classifier-free
            guidance needs.
        terms: Further losses: a `Term` on the same forward pass, a `FieldTerm` such as `SecondOrder()` on its own.
        both_signs: Ask the network at +z and at -z of the same latent noise, with the same ends and time: antithetic
            draws, whose mean has no 1 / gamma in its variance, at the cost of two evaluations a pair.
        states: Times at which every pair is asked for, >= 1: evenly spaced in the quantiles of `times`, shifted by one
            draw a pair. For pairs that cost more than a network's answer; a path that simulates (`Premetric`) gives all
            of them in one run.

    Shapes: `pairs` of `[B, *E]`; gives a scalar `Loss` with the term "fit" and one per further term.
    Raises: `Incompatible` at construction when a part is none of its kind, when the head makes no sense on the
        path, for a law of times made for another schedule, for a named loss on a path that is not affine or has latent
        noise, and for both signs of a noise that is not there.

    Example:
        >>> from pushforward.paths import CondOT
        >>> objective = FlowMatching(Affine(CondOT()))
        >>> net = lambda x, t, cond: x
        >>> objective(net, Pairs((torch.zeros(4, 2), torch.zeros(4, 2)))).value
        tensor(0.)
    """

    path: Path = field(default_factory=Affine)
    head: Head = field(default_factory=Velocity)
    times: TimeLaw = field(default_factory=Uniform)
    draw: Draw = field(default_factory=Independent)
    weight: Weight | NamedLoss = field(default_factory=One)
    cond_drop: float = 0.0
    terms: tuple[Term | FieldTerm, ...] = ()
    both_signs: bool = False
    states: int = 1

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("path", Path, "a path such as Affine(CondOT())"),
            ("head", Head, "a head such as Velocity()"),
            ("times", TimeLaw, "a law of times such as Uniform()"),
            ("draw", Draw, "a draw such as Stratified()"),
            ("weight", Weight | NamedLoss, "a function from times [B] to weights [B], or a loss such as NoiseLoss()"),
        ):
            require_part(f"FlowMatching.{name}", getattr(self, name), kind, example)
        check_head(self.head, self.path)
        levels = getattr(self.times, "schedule", None)
        require(
            levels is None or levels == getattr(self.path, "schedule", None),
            f"{type(self.times).__name__} draws times by the noise levels of {levels}, but the path is {self.path}; "
            "give both the same schedule",
            Incompatible,
        )
        if isinstance(self.weight, NamedLoss):
            affine = isinstance(self.head, AffineHead) and isinstance(self.path, AffinePath)
            require(
                affine and getattr(self.path, "latent", None) is None,
                f"{type(self.weight).__name__} compares what heads say on affine paths without latent noise, got "
                f"{type(self.head).__name__} on {self.path}; give a function of time",
                Incompatible,
            )
        require(
            not self.both_signs or (getattr(self.path, "latent", None) is not None and hasattr(self.path, "mirrored")),
            f"both_signs is about latent noise, which {self.path} does not have; give the path a latent, or leave it",
            Incompatible,
        )
        for term in self.terms:
            if isinstance(term, FieldTerm):
                term.check(self)
        require(self.states >= 1, f"states is {self.states}, expected at least 1 time for every pair")
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        u = self.draw(batch.size, leaves(batch.x1)[0], generator=generator)
        if self.states == 1:
            point = self.path.sample(batch, self.times.quantile(u), generator=generator)
        else:
            point = self._along(batch, u, generator=generator)
        t, batch = point.t, point.pairs
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        if self.both_signs:
            other = cast(Any, self.path).mirrored(point)
            point, cond, t, batch = _both(point, other), _twice(cond), _twice(t), _doubled(batch)
        answer = lambda x, t: hear(net, x, t, cond, head=self.head, path=self.path)
        law = answer(point.x, point.t)
        fit = law.loss(self.head.target(self.path, point))
        rows = {"fit": fit if isinstance(self.weight, One) else self._weigh(t) * fit}
        for term in self.terms:
            asks = isinstance(term, FieldTerm)
            rows[term.name] = (
                term.ask(answer, point, law, self, generator=generator) if asks else term(point, law, self)
            )
        return Loss.mean(rows, batch.weight)

    def _along(self, batch: Pairs, u: Tensor, *, generator: Gen = None) -> Point:
        """Every pair at several times, pair by pair."""
        shifts = torch.arange(self.states, dtype=u.dtype, device=u.device)
        t = self.times.quantile(((u[:, None] + shifts) / self.states).flatten())
        along = getattr(self.path, "along", None)
        if along is not None:
            return along(batch, t.unflatten(0, (batch.size, self.states)), generator=generator)
        return self.path.sample(batch.map(lambda leaf: leaf.repeat_interleave(self.states, 0)), t, generator=generator)

    def _weigh(self, t: Tensor) -> Tensor:
        """What the head's loss is multiplied by, `[B]`."""
        if not hasattr(self.weight, "error"):  # cheaper than isinstance of a Protocol, at every step
            return cast(Weight, self.weight)(t)
        loss, head, path = cast(NamedLoss, self.weight), cast(AffineHead, self.head), cast(AffinePath, self.path)
        c = path.coeffs(t.clamp_min(EARLY))
        c = c._replace(sigma=c.sigma.clamp_min(TINY))
        return (loss.error(c) / head.error(c)).square()

    @property
    def reads_noise(self) -> bool:
        """Whether a term asks for standard noise that is independent of x1."""
        return any(getattr(term, "reads_noise", False) for term in self.terms)

    @property
    def outputs(self) -> int:
        """How many quantities the network is asked for, side by side on the first event axis."""
        return getattr(self.head, "outputs", 1)

    def field(self, net: nn.Module) -> NetField:
        """The velocity field that `net` has learned."""
        return NetField(net, self.head, self.path)


def _twice(x: Any) -> Any:
    return cat_states(x, x)


def _doubled(pairs: Pairs) -> Pairs:
    return pairs.map(_twice)


def _both(point: Point, other: Point) -> Point:
    """The rows of a draw, then those of another draw of the same pairs."""
    x, latent = cat_states(point.x, other.x), cat_states(point.latent, other.latent)
    return Point(x, _twice(point.t), _doubled(point.pairs), latent)
