"""The network says the source: the noise predictor."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import AffinePath, Coeffs, Estimate, Law, Path, Point, State, align, like, map_state
from pushforward.fields.dirac import Dirac
from pushforward.fields.ends import regular, require_affine

__all__ = ["Noise"]


@dataclass(frozen=True)
class Noise:
    r"""The network says where the row came from.

    .. math:: \epsilon_\theta(x, t) \approx \mathrm E[x_0 \,|\, x_t = x], \qquad
              v = \tfrac{\alpha'}{\alpha}\, x - \tfrac{W}{\alpha}\, \epsilon

    Singular at t = 0 where alpha is 0 there: `span` is where the velocity may be followed. It holds for any source and
    any coupling; only with a standard normal, independent source is it also the score, `-epsilon / sigma`.

    Source: Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models (NeurIPS 2020), https://arxiv.org/abs/2006.11239,
        with time reversed.

    Raises: `Incompatible` (`check`) on a path that is not affine, or has latent noise.
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return regular(path, alpha=True)

    def check(self, path: Path) -> None:
        """The path must be affine without latent noise."""
        require_affine(path, "Noise")

    def law(self, out: State, x: State, t: Tensor) -> Dirac:
        """A point estimate."""
        return Dirac(out)

    def target(self, path: Path, point: Point) -> State:
        """The source end of the pair."""
        return point.pairs.x0

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """Velocity from the estimated source."""
        c = require_affine(path, "Noise").coeffs(t)
        drag, pull = c.d_alpha / c.alpha, c.wronskian / c.alpha
        return map_state(lambda p, e: like(align(drag, p) * p - align(pull, e) * e, p, e), x, law.mean)

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends; the source end is what the network says."""
        return path.from_noise(law.mean, x, t)

    def error(self, c: Coeffs) -> Tensor:
        """Size of its error, in the unit that all heads share."""
        return c.alpha
