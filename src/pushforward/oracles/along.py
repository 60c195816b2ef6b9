"""The exact field of a Gaussian mixture on an affine path."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, State, broadcast_time, rand, randn_like, require
from pushforward.oracles.algebra import average, log_gaussian, pick
from pushforward.oracles.gaussian_map import transition
from pushforward.oracles.moments import Moments

if TYPE_CHECKING:
    from pushforward.oracles.gaussian_mixture import GaussianMixture

__all__ = ["Along"]

Time = Tensor | float


class _Look(NamedTuple):
    """What every question at (x, t) needs."""

    moments: Moments
    factor: Tensor  # Cholesky of C_k, [B, K, d, d]
    q: Tensor  # C_k^-1 (x - m_k), [B, K, d]
    log_joint: Tensor  # log w_k N(x; m_k, C_k), [B, K]
    r: Tensor  # responsibilities, [B, K]

    def velocities(self) -> Tensor:
        """v_k `[B, K, d]`."""
        return self.moments.d_mean + _apply(self.moments.lag, self.q)

    def endpoints(self) -> Tensor:
        """D_k `[B, K, d]`."""
        return self.moments.mixture.means + _apply(self.moments.data, self.q)

    def spread(self, values: Tensor) -> Tensor:
        """Values of the components less their mean."""
        return values - average(self.r, values)[:, None]


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[..., :, None] * b[..., None, :]


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


@dataclass(frozen=True)
class Along:
    r"""Exact field of a Gaussian mixture along an affine path, and all that belongs to it.

    .. math:: x_t = \alpha x_1 + \sigma x_0 + \gamma z, \qquad
              v(x, t) = \mathrm E[\dot x_t | x_t = x] = \sum_k r_k\,\big(m'_k + K_k q_k\big)

    with the moments m, m', C, K of every component (`Moments`) and

    .. math:: q_k = C_k^{-1}(x - m_k), \qquad r_k \propto w_k\, N(x; m_k, C_k), \qquad s_k = -q_k

    Only the product gamma gamma' enters: gamma' alone diverges where gamma vanishes. All is finite wherever the path's
    coefficients are, both ends included. A schedule that holds a diverging derivative near t = 1 (LinearVP,
    VariancePreserving) gives the field of what it says, which there is not the derivative of its sigma.

    Source: derived; Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797,
        have the case of independent ends.

    Args:
        mixture: The joint law of the ends.
        path: Anything with `coeffs(t)` giving alpha, sigma and their derivatives `[B]`, and `latent`: None, or times to
            gamma and gamma gamma' `[B]`.

    Shapes: `x` `[B, d]`, `t` `[B]` in [0, 1] or one number for all rows; work is done in the mixture's dtype, answers
        have the dtype of `x`. `cond` is ignored.
    Raises: `Incompatible` at construction for a path without `coeffs`; `InvalidInput` for states of another width.

    Example:
        >>> exact = pf.oracles.reference_mixture().along(pf.paths.Affine())
        >>> x, t = torch.tensor([[0.5, -0.2]]), torch.tensor([0.4])
        >>> exact(x, t), exact.divergence(x, t)
        (tensor([[ 2.1716, -0.4090]]), tensor([-1.5852]))
    """

    mixture: "GaussianMixture"
    path: Any

    def __post_init__(self) -> None:
        require(
            hasattr(self.path, "coeffs") and hasattr(self.path, "latent"),
            f"an exact field needs a path with coeffs(t) and latent, got {type(self.path).__name__}; "
            "use paths.Affine(schedule)",
            Incompatible,
        )

    def __call__(self, x: State, t: Time, cond: Cond = None) -> Tensor:
        """Marginal velocity E[dx_t | x_t = x], `[B, d]`."""
        look = self._look(x, t)
        return average(look.r, look.velocities()).to(cast(Tensor, x).dtype)

    def score(self, x: Float[Tensor, "b d"], t: Time, cond: Cond = None) -> Float[Tensor, "b d"]:
        """grad log p_t(x)."""
        look = self._look(x, t)
        return -average(look.r, look.q).to(x.dtype)

    def endpoint(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b d"]:
        """E[x1 | x_t = x], the denoiser."""
        look = self._look(x, t)
        return average(look.r, look.endpoints()).to(x.dtype)

    def noise(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b d"]:
        """E[x0 | x_t = x]."""
        look = self._look(x, t)
        return average(look.r, self.mixture.source_means + _apply(look.moments.source, look.q)).to(x.dtype)

    def latent(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b d"]:
        """E[z | x_t = x], zero on a path without latent noise."""
        look = self._look(x, t)
        return average(look.r, look.moments.gamma[..., 0] * look.q).to(x.dtype)

    def log_prob(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, " b"]:
        """log p_t(x), in nats."""
        return self._look(x, t).log_joint.logsumexp(1).to(x.dtype)

    def responsibilities(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b k"]:
        """Posterior probabilities of the components given x_t = x."""
        return self._look(x, t).r.to(x.dtype)

    def jacobian(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b d d"]:
        r"""dv/dx; asymmetric in general when the source is not N(0, I) or the ends are coupled.

        .. math:: \partial_x v = \sum_k r_k K_k C_k^{-1} + \sum_k r_k (v_k - v)(s_k - s)^\top
        """
        look = self._look(x, t)
        slope = torch.cholesky_solve(look.moments.lag.mT, look.factor).mT  # K C^-1, as C is symmetric
        dv, dq = look.spread(look.velocities()), look.spread(look.q)
        return average(look.r, slope - _outer(dv, dq)).to(x.dtype)

    def divergence(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, " b"]:
        """div v, the trace of `jacobian`."""
        look = self._look(x, t)
        slope = _trace(torch.cholesky_solve(look.moments.lag, look.factor))
        dv, dq = look.spread(look.velocities()), look.spread(look.q)
        return average(look.r, slope - (dv * dq).sum(-1)).to(x.dtype)

    def posterior_covariance(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, "b d d"]:
        """Cov(x1 | x_t = x): within the components plus between them."""
        look = self._look(x, t)
        data = look.moments.data
        within = self.mixture.covariances - data @ torch.cholesky_solve(data.mT, look.factor)
        gap = look.spread(look.endpoints())
        return average(look.r, within + _outer(gap, gap)).to(x.dtype)

    def irreducible(self, x: Float[Tensor, "b d"], t: Time) -> Float[Tensor, " b"]:
        r"""tr Cov(dx_t | x_t = x): the flow matching loss (summed over coordinates) below which no network can go.

        .. math:: \sum_k r_k \Big[ \mathrm{tr}\big(\mathrm{Cov}_k(\dot x_t) - K_k C_k^{-1} K_k^\top\big)
                  + |v_k - v|^2 \Big]

        Infinite where gamma vanishes and gamma gamma' does not, as at both ends of a Brownian latent.
        """
        look = self._look(x, t)
        moments, lag, d = look.moments, look.moments.lag, look.q.shape[-1]
        tiny = torch.finfo(look.q.dtype).tiny  # makes 0/0 zero: a latent that is not there
        d_gamma = (moments.push / moments.gamma.clamp_min(tiny))[..., 0, 0]
        within = _trace(moments.motion - lag @ torch.cholesky_solve(lag.mT, look.factor)) + d * d_gamma**2
        return average(look.r, within + look.spread(look.velocities()).square().sum(-1)).to(x.dtype)

    def sample(self, n: int, t: Time, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` draws of x_t; `t` `[n]` or one number."""
        x0, x1 = self.mixture.sample_pairs(n, generator=generator).anchors
        return self._interpolate(cast(Tensor, x0), cast(Tensor, x1), t, generator)

    def sample_posterior(self, x: Float[Tensor, "b d"], t: Time, *, generator: Gen = None) -> Float[Tensor, "b d"]:
        r"""One draw of x1 given x_t = x for every row.

        A component is drawn from the responsibilities; in it, a joint draw (x1', x_t') is moved onto the condition,
        which is exact for Gaussians and needs no root of the posterior covariance, singular at t = 1:

        .. math:: x_1 = x_1' + \mathrm{Cov}(x_1, x_t)\, C^{-1} (x - x_t')

        Source: Wilson et al., Efficiently Sampling Functions from Gaussian Process Posteriors (ICML 2020),
            https://arxiv.org/abs/2002.09309, Matheron's rule.
        """
        look = self._look(x, t)
        component = pick(look.r, rand((len(x),), look.r, generator=generator))
        x0, x1 = self.mixture.sample_component(component, generator=generator)
        row = torch.arange(len(x), device=x.device)
        gap = x.to(x1.dtype) - self._interpolate(x0, x1, t, generator)
        q = torch.cholesky_solve(gap[..., None], look.factor[row, component])[..., 0]
        return (x1 + _apply(look.moments.data[row, component], q)).to(x.dtype)

    def flow_map(self, x: Float[Tensor, "b d"], s: Time, t: Time, cond: Cond = None) -> Float[Tensor, "b d"]:
        r"""Where the field of ONE Gaussian takes x from time s to time t; s > t is allowed.

        .. math:: X_{s,t}(x) = m_t + A_{s,t}\,(x - m_s), \qquad A_{s,t} = C_t^{1/2} C_s^{-1/2}

        in closed form if S, S0 and G are symmetric and commute (always for S0 = I, G = 0); otherwise A solves a linear
        equation by 400 steps of RK4 (`gaussian_map.transition`).

        Raises: `InvalidInput` for more than one component, whose map has no closed form.
        """
        K = len(self.mixture.means)
        require(
            K == 1,
            f"flow_map is known for one Gaussian, this mixture has {K} components; integrate the field with "
            "solvers.RK4() and 400 steps in float64",
        )
        y = self._enter(x)
        s, t = broadcast_time(s, y), broadcast_time(t, y)
        here, there = (Moments.at(self.mixture, self.path, time).mean[:, 0] for time in (s, t))
        return (there + _apply(transition(self.mixture, self.path, s, t), y - here)).to(x.dtype)

    def mean_velocity(self, x: Float[Tensor, "b d"], s: Time, t: Time, cond: Cond = None) -> Float[Tensor, "b d"]:
        r"""u(x, s, t) = (X_{s,t}(x) - x) / (t - s) for ONE Gaussian, and v(x, s) in rows where s = t.

        The difference cancels: its error grows like eps / |t - s|. Raises as `flow_map`.
        """
        y = self._enter(x)
        gap = (broadcast_time(t, y) - broadcast_time(s, y))[:, None]
        still = gap == 0
        mean = (self.flow_map(y, s, t) - y) / torch.where(still, 1.0, gap)
        return torch.where(still, self(y, s), mean).to(x.dtype)

    def _enter(self, x: State) -> Tensor:
        """The state in the mixture's dtype."""
        d = self.mixture.means.shape[1]
        got = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
        require(
            isinstance(x, Tensor) and x.ndim == 2 and x.shape[1] == d,
            f"x is {got}, expected [B, {d}] as the mixture's means; flatten the event axes",
        )
        return cast(Tensor, x).to(self.mixture.means.dtype)

    def _look(self, x: State, t: Time) -> _Look:
        y = self._enter(x)
        moments = Moments.at(self.mixture, self.path, broadcast_time(t, y))
        factor = torch.linalg.cholesky(moments.covariance)
        q, log_density = log_gaussian(y[:, None] - moments.mean, factor)
        log_joint = self.mixture.log_weights + log_density
        return _Look(moments, factor, q, log_joint, log_joint.softmax(1))

    def _interpolate(self, x0: Tensor, x1: Tensor, t: Time, generator: Gen) -> Tensor:
        """A draw of x_t given the ends."""
        moments = Moments.at(self.mixture, self.path, broadcast_time(t, x1))
        alpha, sigma, gamma = (c[..., 0, 0] for c in (moments.alpha, moments.sigma, moments.gamma))
        x = alpha * x1 + sigma * x0
        return x if self.path.latent is None else x + gamma * randn_like(x, generator=generator)
