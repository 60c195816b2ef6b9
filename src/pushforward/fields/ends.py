"""Which paths let a network speak of their ends."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.core import AffinePath, EndpointPath, Incompatible, Path, State, align, like, map_state, require
from pushforward.spaces import Simplex, Tokens

__all__ = [
    "check_latent",
    "per_gamma",
    "regular",
    "regular_latent",
    "require_affine",
    "require_endpoint",
    "require_latent",
    "require_symbols",
    "require_tokens",
]

EDGE = 1e-3  # a coefficient below it counts as zero, and so much of time is left out where one vanishes
STEEPEST = 5e3  # where a factor over gamma is held, as `Affine` holds gamma'


def regular(path: Path, *, alpha: bool = False, sigma: bool = False) -> tuple[float, float]:
    """The times at which a velocity divided by `alpha`, by `sigma` or by both is regular.

    [0, 1] where neither vanishes at its end (variance exploding, CondOT(sigma_min)); otherwise 1e-3 of time is left out
    there. It is time that is left out and not a noise level: towards sigma = 0 the velocity of a square-root schedule
    is so steep that a step of 1/100 over its last 1e-5 would throw the state away. What noise is left at the end
    (sigma 0.001 for CondOT, 0.01 VP, 0.045 LinearVP) is taken away by a last jump to E[x1 | x_t].
    """
    low, high = not alpha, not sigma
    if isinstance(path, AffinePath):
        c = path.coeffs(torch.tensor([0.0, 1.0], dtype=torch.float64))
        low, high = low or bool(c.alpha[0] >= EDGE), high or bool(c.sigma[1] >= EDGE)
    return (0.0 if low else EDGE, 1.0 if high else 1.0 - EDGE)


def regular_latent(path: Path, share: Callable[[Tensor], Tensor] = torch.ones_like) -> tuple[float, float]:
    """The times at which `share` / gamma is regular: without 1e-3 of time where it diverges."""
    t = torch.tensor([1e-9, 1 - 1e-9], dtype=torch.float64)
    gamma = require_latent(path, "A score")(t)[0] / share(t)
    return (0.0 if gamma[0] >= EDGE else EDGE, 1.0 if gamma[1] >= EDGE else 1.0 - EDGE)


def per_gamma(factor: Tensor, gamma: Tensor, noise: State) -> State:
    """Factor / gamma times noise, with 0 / 0 = 0 and finite everywhere; `factor` and `gamma` `[B]`."""
    ratio = (factor / gamma.clamp_min(torch.finfo(gamma.dtype).tiny)).clamp(-STEEPEST, STEEPEST)
    return map_state(lambda z: like(align(ratio, z) * z, z), noise)


def require_latent(path: Path, head: str) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The path's latent: times to gamma and gamma gamma'."""
    latent = getattr(path, "latent", None)
    if not callable(latent):
        raise Incompatible(
            f"{head} speaks of latent noise, which this {type(path).__name__} does not have; give the path a latent "
            "such as Brownian(), or use Velocity, or Score"
        )
    return cast(Any, latent)


def check_latent(path: Path, head: str) -> None:
    """Refuse a path without latent noise, or with a width of 0, of which a network learns nothing."""
    gamma, _ = require_latent(path, head)(torch.tensor([0.5], dtype=torch.float64))
    require(
        bool(gamma > 0),
        f"{head} speaks of latent noise, whose width is 0 here ({path}); give it a scale > 0, or use Velocity",
        Incompatible,
    )


def _require_no_latent(path: Path, head: str) -> None:
    require(
        getattr(path, "latent", None) is None,
        f"with latent noise the motion does not follow from one end alone, so {head} cannot be used; "
        "use Velocity or FlowAndScore, or a path with latent=None",
        Incompatible,
    )


def require_endpoint(path: Path, head: str) -> EndpointPath:
    """The path, if its motion follows from the law of x1 given x_t."""
    if not isinstance(path, EndpointPath):
        raise Incompatible(f"{head} needs a path with `drift`, which {type(path).__name__} lacks; use Velocity")
    require(
        not isinstance(path.space, Tokens),
        f"{head} speaks of points that can be averaged, not of the symbols of {path.space}; use Logits",
        Incompatible,
    )
    _require_no_latent(path, head)
    return path


def require_affine(path: Path, head: str) -> AffinePath:
    """The path, if x_t = alpha x1 + sigma x0."""
    if not isinstance(path, AffinePath):
        raise Incompatible(f"{head} needs an affine path, got {type(path).__name__}; use Velocity")
    _require_no_latent(path, head)
    return path


def require_tokens(path: Path, head: str, *offers: str) -> Any:
    """The path, if its states are tokens and it has all that is asked of it."""
    space = getattr(path, "space", None)
    require(
        isinstance(space, Tokens) and all(hasattr(path, name) for name in offers),
        f"{head} says which symbols there are, and needs a path of tokens with {' and '.join(offers)}, as "
        f"Mixture(Tokens(27)); got {type(path).__name__} on {type(space).__name__}",
        Incompatible,
    )
    return path


def require_symbols(path: Path, head: str, *offers: str) -> Any:
    """The path, if its data are symbols: its states are tokens, or probability vectors over them."""
    if getattr(path, "says_symbols", isinstance(getattr(path, "space", None), Simplex)):
        return require_endpoint(path, head)
    return require_tokens(path, head, *offers)
