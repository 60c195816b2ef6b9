"""The network says the score."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import (
    AffinePath,
    Coeffs,
    Estimate,
    Incompatible,
    Law,
    Path,
    Point,
    State,
    align,
    like,
    map_state,
    require,
)
from pushforward.fields.dirac import Dirac
from pushforward.fields.ends import regular, require_affine
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["Score"]

TINY = 1e-12  # keeps the target at sigma = 0 finite; `NoiseLoss` takes it back to x0


@dataclass(frozen=True)
class Score:
    r"""The network says the score of the marginal, for a standard normal source that is independent of the data.

    .. math:: s_\theta(x, t) \approx \nabla \log p_t(x) = -\tfrac1\sigma\, \mathrm E[x_0 \,|\, x_t = x], \qquad
              v = \tfrac{\alpha'}{\alpha}\, x + \tfrac{\sigma W}{\alpha}\, s

    With rows of data as the source, or with a coupling that ties x0 to x1, the network still learns
    -E[x0 | x_t] / sigma and the velocity is still right, but that quantity is no score. The target grows like
    1 / sigma, and its plain loss is not integrable at t = 1: train with `weight=NoiseLoss()`, which is sigma^2 here, or
    train the `Noise` head.

    Source: Vincent, A Connection Between Score Matching and Denoising Autoencoders (2011); Song et al., Score-Based
        Generative Modeling through SDEs (ICLR 2021), https://arxiv.org/abs/2011.13456.

    Raises: `Incompatible` (`check`) on a path that is not affine, has latent noise, or other noise than normal.
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return regular(path, alpha=True, sigma=True)

    def check(self, path: Path) -> None:
        """The path must be affine without latent noise, and its space's noise normal."""
        space = require_affine(path, "Score").space
        require(
            has_normal_noise(space),
            f"Score speaks of normal noise, the path's space has {noise_of(space)}; use Noise, or Velocity",
            Incompatible,
        )

    def law(self, out: State, x: State, t: Tensor) -> Dirac:
        """A point estimate."""
        return Dirac(out)

    def target(self, path: Path, point: Point) -> State:
        """Score of the kernel p(x_t | x1)."""
        sigma = require_affine(path, "Score").coeffs(point.t).sigma.clamp_min(TINY)
        return map_state(lambda e: like(-e / align(sigma, e), e), point.pairs.x0)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """Velocity from the estimated score."""
        c = require_affine(path, "Score").coeffs(t)
        drag, pull = c.d_alpha / c.alpha, c.sigma * c.wronskian / c.alpha
        return map_state(lambda p, s: like(align(drag, p) * p + align(pull, s) * s, p, s), x, law.mean)

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends; the source end is -sigma times the score."""
        sigma = path.coeffs(t).sigma
        return path.from_noise(map_state(lambda s: like(-align(sigma, s) * s, s), law.mean), x, t)

    def error(self, c: Coeffs) -> Tensor:
        """Size of its error, in the unit that all heads share."""
        return c.alpha / c.sigma
