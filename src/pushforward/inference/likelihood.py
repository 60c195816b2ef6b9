"""Log-densities along a flow, by the instantaneous change of variables."""

import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import (
    Cond,
    Divergence,
    Exact,
    Gen,
    Hutchinson,
    Incompatible,
    InvalidInput,
    Manifold,
    Solver,
    Space,
    nearest,
    require,
    take,
)
from pushforward.inference.transport import Times, directed
from pushforward.solvers import solve
from pushforward.spaces import Domain, Euclidean, Product, is_curved

__all__ = ["Likelihood", "likelihood", "log_prob", "sample_with_log_prob"]


class Likelihood(NamedTuple):
    """Log-densities `[B]` in nats, how far off the probes may have put them, and what that took.

    `standard_error` `[B]` is of `log_prob`, from the spread between probes: 0 where the divergence is exact, NaN for a
    single probe, which says nothing of its spread. The solver's own error is not in it. `nfe` counts evaluations of the
    field, each with all its derivatives.
    """

    log_prob: Tensor
    standard_error: Tensor
    nfe: int


_DIVERGENCES: dict[str, Divergence] = {"exact": Exact(), "hutchinson": Hutchinson()}


def _divergence(chosen: Divergence | str) -> Divergence:
    if not isinstance(chosen, str):
        known = isinstance(chosen, Divergence) and not isinstance(chosen, type)
        require(known, f"divergence is {chosen!r}, expected exact, hutchinson, or a part such as HutchPlusPlus()")
        return chosen
    require(chosen in _DIVERGENCES, f"unknown divergence {chosen!r}; {nearest(chosen, _DIVERGENCES)}")
    return _DIVERGENCES[chosen]


def _density(source: Any, space: Space | None) -> Callable[[Tensor], Tensor]:
    """Log-density of the source, checked to give one number per row."""
    require(
        space is None or isinstance(space, Manifold),
        f"log_prob integrates a divergence, and {type(space).__name__} does not know its volume; choose another space",
        Incompatible,
    )
    source = (space or Euclidean()) if source is None else source
    density = getattr(source, "noise_log_prob", None) or getattr(source, "log_prob", None)
    if density is None:
        raise InvalidInput(
            f"source {type(source).__name__} has no log_prob; give a distribution, a space, or None for normal noise"
        )

    def checked(x: Tensor) -> Tensor:
        value = density(x)
        require(
            value.shape == x.shape[:1],
            f"the source's log_prob gave shape {list(value.shape)} for x {list(x.shape)}, expected [{len(x)}] (one "
            "number per row); wrap it in torch.distributions.Independent",
        )
        return value

    return checked


def _follow(
    field: Any,
    x: Tensor,
    times: Tensor,
    *,
    solver: Solver,
    divergence: Divergence | str,
    cond: Cond,
    space: Space | None,
    generator: Gen,
) -> tuple[Tensor, Tensor, int]:
    """The state at the end of `times`, by how much log p grew on the way there `[B, K]`, and the evaluations.

    Every estimate of the divergence has a column of its own. What is integrated is the trace of the Jacobian, of the
    field continued along normals; what the metric's volume grew from end to end is the rest of the divergence.
    """
    solver, manifold = _on(solver, space)
    project: Any = (lambda x: x) if manifold is None else manifold.project
    chosen = _divergence(divergence)
    probes = chosen.probes(x, generator=generator)  # one draw for the whole way: fresh ones would make the field jump

    def augmented(state: Mapping[str, Tensor], t: Tensor, rows: Int[Tensor, " n"]) -> dict[str, Tensor]:
        """(x, log p) -> (v, -div v), for the rows still under way."""
        own = take(cond, rows)
        velocity, div = chosen.estimates(lambda x: field(project(x), t, own), state["x"], probes[:, rows])
        return {"x": velocity, "logp": -div.T}

    start = {"x": x, "logp": x.new_zeros(len(x), chosen.count)}
    rows = torch.arange(len(x), device=x.device)
    solution = solve(augmented, start, times, solver=solver, cond=rows)
    arrived = cast(Mapping[str, Tensor], solution.x)
    growth = arrived["logp"]
    if manifold is not None:
        growth = growth - (manifold.log_volume(arrived["x"]) - manifold.log_volume(x))[:, None]
    return arrived["x"], growth, solution.nfe


def _on(solver: Any, space: Space | None) -> tuple[Any, Manifold | None]:
    """The solver for (x, log p) with x in `space`, or else in its own; and that space where it is curved or thin."""
    space = getattr(solver, "space", None) if space is None else space
    if isinstance(space, Domain) and is_dataclass(solver) and hasattr(solver, "space"):
        return replace(cast(Any, solver), space=Euclidean()), None  # of the flow without walls: log p has none
    thin = getattr(space, "linear", False)  # a subspace: the field's part across it counts nowhere
    if not isinstance(space, Manifold) or not (thin or is_curved(space)):
        return solver, None
    require(
        is_dataclass(solver) and hasattr(solver, "space"),
        f"{type(solver).__name__} follows flows in flat space only; on {type(space).__name__} use RK4, Dopri5 or Tsit5",
        Incompatible,
    )
    return replace(cast(Any, solver), space=Product(x=space, logp=Euclidean())), space


def log_prob(
    field: Any,
    x: Float[Tensor, "b *e"],
    source: Any = None,
    *,
    solver: Solver,
    times: Times = None,
    divergence: Divergence | str = "exact",
    cond: Cond = None,
    space: Space | None = None,
    generator: Gen = None,
) -> Float[Tensor, " b"]:
    r"""Log-density of data under a flow, in nats.

    .. math:: \log p_1(x_1) = \log p_0(x_0) - \int_0^1 \nabla\!\cdot v(x_t, t)\, dt, \qquad
              \tfrac{d}{dt}\log p_t(x_t) = -\nabla\!\cdot v(x_t, t)

    On a manifold the divergence is the Riemannian one,

    .. math:: \mathrm{div}_g v = \mathrm{tr}\, D\bar v + v \cdot \nabla \log\sqrt{\det g}, \qquad
              \bar v(x) = v(\pi(x)),

    the trace of the field continued along normals, and, in coordinates that are no isometric embedding, the growth of
    the volume element, which needs only its value at both ends.

    The pair (x, log p) goes from data back to the source through `solve`, so every solver serves; with an adaptive one
    log p counts as one more coordinate of its row. Gradients reach `x` and the parameters of `field`.

    Source: Chen, Rubanova, Bettencourt & Duvenaud, Neural Ordinary Differential Equations (2018),
        https://arxiv.org/abs/1806.07366; random probes Grathwohl et al., FFJORD, https://arxiv.org/abs/1810.01367.

    Args:
        field: Field, `field(x, t, cond)` shaped like `x`; rows must not depend on each other.
        x: Data `[B, *E]`.
        source: Law at the source: anything with `log_prob(x) -> [B]`, a space (its noise), or None for the
            noise of `space`, standard normal by default. Where the field's span starts after 0, `Extrapolated(field)`.
        solver: A step, such as `RK4()` or `Dopri5()`.
        times: Grid between source (its least time) and data (its greatest), in either order; 100 equal steps if None,
            from 1 to 0 or over the field's `span` where it has one. Where that ends before 1, what is given is the
            density of data with the noise of that time (the source's, too, where it starts after 0).
        divergence: "exact" (about one evaluation per coordinate), "hutchinson" (one random probe, kept along the way:
            log p is unbiased, p is not), or a `core.Divergence` such as `Hutchinson(count=16)` or `HutchPlusPlus()`.
        cond: Condition of every row.
        space: Where `x` lives; None takes the solver's own. Densities on a manifold are against its Riemannian volume;
            on a convex domain they are those of the flow without its walls.
        generator: Draws the probes.

    Returns: `[B]`.
    Raises: `InvalidInput` when the source does not give one number per row, and for times that leave the field's
        `span`; `Incompatible` on curved spaces for solvers of flat space, and for spaces that do not know their
        volume.

    Example:
        >>> log_prob(lambda x, t, cond: 0.5 * x, torch.zeros(1, 2), solver=pf.solvers.RK4())
        tensor([-2.8379])
    """
    return likelihood(
        field,
        x,
        source,
        solver=solver,
        times=times,
        divergence=divergence,
        cond=cond,
        space=space,
        generator=generator,
    ).log_prob


def likelihood(
    field: Any,
    x: Float[Tensor, "b *e"],
    source: Any = None,
    *,
    solver: Solver,
    times: Times = None,
    divergence: Divergence | str = "exact",
    cond: Cond = None,
    space: Space | None = None,
    generator: Gen = None,
) -> Likelihood:
    r"""`log_prob` with the error that random probes make.

    .. math:: \widehat{\log p} = \frac1K \sum_k \ell_k, \qquad
              \mathrm{se}^2 = \frac{1}{K (K - 1)} \sum_k (\ell_k - \widehat{\log p})^2

    Every probe is kept along the way, so that each gives a log-density :math:`\ell_k` of its own, and these are
    independent given what they share (the sketch of `HutchPlusPlus`). Arguments as for `log_prob`.

    Returns: `Likelihood(log_prob, standard_error, nfe)`.

    Example:
        >>> net = lambda x, t, cond: torch.sin(x.flip(1) + x)
        >>> found = likelihood(net, torch.zeros(1, 2), solver=pf.solvers.RK4(), divergence=pf.core.Hutchinson(count=8))
        >>> bool(found.standard_error > 0), found.nfe
        (True, 400)
    """
    density = _density(source, getattr(solver, "space", None) if space is None else space)
    grid = directed(times, x, field, reverse=True)
    x0, growth, nfe = _follow(
        field, x, grid, solver=solver, divergence=divergence, cond=cond, space=space, generator=generator
    )
    return Likelihood(density(x0) - growth.mean(1), _standard_error(growth, divergence), nfe)


def _standard_error(growth: Tensor, divergence: Divergence | str) -> Tensor:
    """Of the mean over the estimates `[B, K]`."""
    rows, K = growth.shape
    if K == 1:
        return growth.new_full((rows,), 0.0 if isinstance(_divergence(divergence), Exact) else math.nan)
    return ((growth - growth.mean(1, keepdim=True)).square().sum(1) / (K * (K - 1))).sqrt()


def sample_with_log_prob(
    field: Any,
    x0: Float[Tensor, "b *e"],
    source: Any = None,
    *,
    solver: Solver,
    times: Times = None,
    divergence: Divergence | str = "exact",
    cond: Cond = None,
    space: Space | None = None,
    generator: Gen = None,
) -> tuple[Float[Tensor, "b *e"], Float[Tensor, " b"]]:
    r"""Carry draws of the source to data, and say how likely they are there, in one pass.

    .. math:: x_1 = x_0 + \int_0^1 v\, dt, \qquad \log p_1(x_1) = \log p_0(x_0) - \int_0^1 \nabla\!\cdot v\, dt

    Arguments as for `log_prob`, with `x0` `[B, *E]` drawn from `source`.

    Returns: `x1` `[B, *E]` and its log-density `[B]` in nats.

    Example:
        >>> x1, logp = sample_with_log_prob(lambda x, t, cond: 0.5 * x, torch.zeros(1, 2), solver=pf.solvers.RK4())
        >>> logp
        tensor([-2.8379])
    """
    density = _density(source, getattr(solver, "space", None) if space is None else space)
    grid = directed(times, x0, field, reverse=False)
    x1, growth, _ = _follow(
        field, x0, grid, solver=solver, divergence=divergence, cond=cond, space=space, generator=generator
    )
    return x1, density(x0) + growth.mean(1)
