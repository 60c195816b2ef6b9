"""The network says the latent noise of a stochastic interpolant."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import AffinePath, Incompatible, Law, Path, Point, State
from pushforward.fields.dirac import Dirac
from pushforward.fields.ends import check_latent, per_gamma, regular_latent, require_latent

__all__ = ["LatentNoise"]


@dataclass(frozen=True)
class LatentNoise:
    r"""The network says the latent noise alone: the paper's denoiser, and with it the score.

    .. math:: \eta_\theta(x, t) \approx \mathrm E[z \,|\, x_t = x], \qquad
              \nabla \log p_t(x) = -\eta / \gamma_t, \qquad x_t = \alpha_t x_1 + \sigma_t x_0 + \gamma_t z

    z is normal and independent of both ends, so this is the score for every source and coupling. It is no velocity:
    x and eta leave one equation for two ends. Learn the velocity with a network of its own and follow
    `FlowSDE(field, eps, score=noise_field.score)`, or both with `FlowAndScore`. Only where the ends are at rest
    (`Mirror`) is :math:`v = \gamma' \eta` all of the motion.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797. Their
        code (malbergo/stochastic-interpolants) learns -eta.

    Raises: `Incompatible` (`check`) on a path without latent noise; when a velocity is asked for that it does not tell.

    Example:
        >>> path = pf.paths.Affine(latent=pf.paths.Brownian())
        >>> noise = pf.fields.NetField(pf.nets.MLP((2,)), LatentNoise(), path)
        >>> noise.score(torch.zeros(3, 2), torch.full((3,), 0.5)).shape
        torch.Size([3, 2])
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the score is regular."""
        return regular_latent(path)

    def check(self, path: Path) -> None:
        """The path must have latent noise."""
        check_latent(path, "LatentNoise")

    def moves(self, path: Path) -> bool:
        """Whether the noise alone tells the velocity: the ends are at rest."""
        if not isinstance(path, AffinePath):
            return False
        c = path.coeffs(torch.linspace(0, 1, 9, dtype=torch.float64))
        return not bool(c.d_alpha.any() or c.d_sigma.any())

    def law(self, out: State, x: State, t: Tensor) -> Dirac:
        """A point estimate."""
        return Dirac(out)

    def target(self, path: Path, point: Point) -> State:
        """The noise that was drawn."""
        require_latent(path, "LatentNoise")
        assert point.latent is not None
        return point.latent

    def score(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """-eta / gamma."""
        gamma, _ = require_latent(path, "LatentNoise")(t)
        return per_gamma(-torch.ones_like(gamma), gamma, law.mean)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """gamma' eta, where nothing else moves."""
        return self.drift(path, law, x, t, torch.zeros_like(t))

    def drift(self, path: Path, law: Law, x: State, t: Tensor, push: Tensor) -> State:
        """Velocity + push score, `push` `[B]`, where nothing else moves."""
        if not self.moves(path):
            raise Incompatible(
                "latent noise alone does not tell a velocity; use FlowAndScore, or FlowSDE(velocity, eps, "
                "score=field.score) with a velocity that is learned on its own"
            )
        gamma, product = require_latent(path, "LatentNoise")(t)
        return per_gamma(product - push, gamma, law.mean)
