"""Affine paths: diffusion, flow matching and stochastic interpolants."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import (
    Coeffs,
    Estimate,
    Gen,
    Incompatible,
    InvalidInput,
    Law,
    Pairs,
    Point,
    Schedule,
    Space,
    State,
    align,
    like,
    map_state,
    randn_like,
    require,
    require_part,
    same_shape,
    shapes,
)
from pushforward.paths.flat import probe_times, require_flat_space, require_inside
from pushforward.paths.latents import Latent
from pushforward.paths.schedules import CondOT
from pushforward.spaces import Euclidean

__all__ = ["Affine"]

TINY = 1e-12  # keeps 0/0 at the ends from becoming NaN; far below any coefficient that matters
STEEPEST = 5e3  # where gamma' is held: a Brownian latent's diverges at both ends


def _combine(a: Tensor, x: State, b: Tensor, y: State) -> State:
    return map_state(lambda p, q: like(torch.addcmul(align(a, p) * p, align(b, q), q), p, q), x, y)


@dataclass(frozen=True)
class Affine:
    r"""Affine interpolation between paired ends, with latent noise if wanted.

    .. math:: x_t = \alpha_t x_1 + \sigma_t x_0 + \gamma_t z, \qquad
              \dot x_t = \alpha'_t x_1 + \sigma'_t x_0 + \gamma'_t z, \qquad z \sim N(0, I)

    Between the parametrisations, with the Wronskian :math:`W = \alpha'\sigma - \alpha\sigma'` and without latent,

    .. math:: D = \mathrm E[x_1 | x_t] = \frac{\sigma v - \sigma' x}{W}, \qquad
              \epsilon = \mathrm E[x_0 | x_t] = \frac{\alpha' x - \alpha v}{W}, \qquad
              v = \alpha' D + \sigma' \epsilon .

    Source: Lipman et al., Flow Matching for Generative Modeling, https://arxiv.org/abs/2210.02747; Albergo, Boffi &
        Vanden-Eijnden, Stochastic Interpolants, https://arxiv.org/abs/2303.08797 (alpha multiplies x0 there).

    Args:
        schedule: Times to alpha, sigma and their derivatives; any callable of that shape.
        latent: Times to gamma and gamma gamma', or None for no latent noise.
        space: Flat, or a convex part of flat space such as `Box()`; an affine combination of points means nothing
            elsewhere.

    Shapes: anchors and states `[B, *E]` or mappings of such, times `[B]` in [0, 1].
    Raises: `Incompatible` for a space that is not flat, on a convex part of one for latent noise and for schedules
        that are no convex combination (alpha + sigma = 1), for a schedule or latent that cannot be called, or a path
        whose alpha, sigma and gamma vanish together at t = 1/2, where all rows would meet (EncodingDecoding without
        latent); `InvalidInput` for ends of different shapes.

    Example:
        >>> path = Affine(CondOT())
        >>> path.sample(Pairs((torch.zeros(1, 2), torch.ones(1, 2))), torch.tensor([0.25])).x
        tensor([[0.2500, 0.2500]])
    """

    schedule: Schedule = field(default_factory=CondOT)
    latent: Latent | None = None
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_part("Affine.schedule", self.schedule, Schedule, "times to alpha, sigma and derivatives, as CondOT()")
        if self.latent is not None:
            require_part("Affine.latent", self.latent, Latent, "times to gamma and gamma gamma', as Constant(0.1)")
        require_flat_space("Affine", self.space)
        require(
            self.latent is None or isinstance(self.space, Euclidean),
            f"latent noise is normal and would leave {self.space}; use Affine without latent there",
            Incompatible,
        )
        c = self.schedule(probe_times())
        require_inside("Affine", type(self.schedule).__name__, self.space, torch.stack([c.alpha, c.sigma], 1))
        half = torch.tensor([0.5], dtype=torch.float64)
        gamma = 0.0 if self.latent is None else float(self.latent(half)[0])
        c = self.schedule(half)
        require(
            max(abs(float(c.alpha)), abs(float(c.sigma)), abs(gamma)) > TINY,
            f"with {type(self.schedule).__name__} and this latent alpha, sigma and gamma are all 0 at t = 1/2, where "
            "nothing of the rows would be left; give a latent that is positive there, as SineSquared()",
            Incompatible,
        )

    def coeffs(self, t: Tensor) -> Coeffs:
        """alpha, sigma and their time derivatives at `t`."""
        return self.schedule(t)

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        if not same_shape(pairs.x0, pairs.x1):
            raise InvalidInput(
                f"x0 has shape {shapes(pairs.x0)} and x1 has {shapes(pairs.x1)}; give both ends of a pair one shape"
            )
        c = self.schedule(t)
        x = _combine(c.alpha, pairs.x1, c.sigma, pairs.x0)
        if self.latent is None:
            return Point(x, t, pairs)
        gamma, _ = self.latent(t)
        z = map_state(lambda leaf: randn_like(leaf, generator=generator), x)
        return Point(map_state(lambda p, q: like(p + align(gamma, q) * q, p, q), x, z), t, pairs, z)

    def mirrored(self, point: Point) -> Point:
        """The same draw with the latent noise -z."""
        if self.latent is None or point.latent is None:
            return point
        shift = -2 * self.latent(point.t)[0]
        x = map_state(lambda p, q: like(torch.addcmul(p, align(shift, q), q), p, q), point.x, point.latent)
        return point._replace(x=x, latent=map_state(torch.neg, point.latent))

    def velocity(self, point: Point) -> State:
        """Conditional velocity at a drawn point."""
        c = self.schedule(point.t)
        u = _combine(c.d_alpha, point.pairs.x1, c.d_sigma, point.pairs.x0)
        if self.latent is None or point.latent is None:
            return u
        gamma, product = self.latent(point.t)
        tiny = torch.finfo(gamma.dtype).tiny  # 0/0 is 0: a latent that vanishes smoothly is at rest where it does
        d_gamma = (product / gamma.clamp_min(tiny)).clamp(-STEEPEST, STEEPEST)
        return map_state(lambda p, q: like(p + align(d_gamma, q) * q, p, q), u, point.latent)

    def estimate(self, u: State, x: State, t: Tensor) -> Estimate:
        """Both ends from the marginal velocity `u` at `x`.

        Where the path is at rest (W = 0, `Polynomial` at t = 0) the velocity tells nothing: the ends are the smallest
        that x allows, so that the end which x is itself comes out, and 0 for the other.
        """
        self._check_ends()
        c = self.schedule(t)
        rest = c.wronskian.abs() < TINY
        w = torch.where(rest, 1.0, c.wronskian)
        size = torch.where(rest, c.alpha.square() + c.sigma.square(), 1.0)
        return Estimate(
            x1=_combine(torch.where(rest, 0.0, c.sigma / w), u, torch.where(rest, c.alpha / size, -c.d_sigma / w), x),
            x0=_combine(torch.where(rest, 0.0, -c.alpha / w), u, torch.where(rest, c.sigma / size, c.d_alpha / w), x),
        )

    def from_endpoint(self, x1: State, x: State, t: Tensor) -> Estimate:
        """Both ends from E[x1 | x_t]; singular where sigma is 0."""
        self._check_ends()
        c = self.schedule(t)
        sigma = c.sigma.clamp_min(TINY)
        return Estimate(x1=x1, x0=_combine(1 / sigma, x, -c.alpha / sigma, x1))

    def from_noise(self, x0: State, x: State, t: Tensor) -> Estimate:
        """Both ends from E[x0 | x_t]; singular where alpha is 0."""
        self._check_ends()
        c = self.schedule(t)
        alpha = c.alpha.clamp_min(TINY)
        return Estimate(x1=_combine(1 / alpha, x, -c.sigma / alpha, x0), x0=x0)

    def motion(self, ends: Estimate, t: Tensor) -> State:
        """Marginal velocity from both ends: alpha' D + sigma' eps."""
        c = self.schedule(t)
        return _combine(c.d_alpha, ends.x1, c.d_sigma, ends.x0)

    def drift(self, law: Law, x: State, t: Tensor) -> State:
        """Marginal velocity from the law of x1 given x_t; only its mean matters on a flat space."""
        return self.motion(self.from_endpoint(law.mean, x, t), t)

    def _check_ends(self) -> None:
        if self.latent is not None:
            raise Incompatible(
                f"with latent noise ({type(self.latent).__name__}) a velocity does not determine both ends; "
                "use a path with latent=None"
            )
