"""The network says the data: the denoiser."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import AffinePath, Coeffs, Estimate, Law, Path, Point, State
from pushforward.fields.dirac import Dirac
from pushforward.fields.ends import regular, require_endpoint

__all__ = ["Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    r"""The network says the denoiser, and the path turns it into a velocity.

    .. math:: D_\theta(x, t) \approx \mathrm E[x_1 \,|\, x_t = x], \qquad
              v = \tfrac{\sigma'}{\sigma}\, x + \tfrac{W}{\sigma}\, D

    Singular at t = 1 where sigma is 0 there: `span` is where the velocity may be followed, and the network's own answer
    at its end (`NetEstimator(field)(x, t).x1`) takes the last noise away, as `Flow.sample` does.

    Source: the x1-prediction of Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264.

    Raises: `Incompatible` (`check`) on a path whose motion does not follow from the law of x1.
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return regular(path, sigma=True)

    def check(self, path: Path) -> None:
        """The path must give a motion from p(x1 | x_t)."""
        require_endpoint(path, "Endpoint")

    def law(self, out: State, x: State, t: Tensor) -> Dirac:
        """A point estimate."""
        return Dirac(out)

    def target(self, path: Path, point: Point) -> State:
        """The data end of the pair."""
        return point.pairs.x1

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The path's motion towards the estimated end."""
        return require_endpoint(path, "Endpoint").drift(law, x, t)

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends; the data end is what the network says."""
        return path.from_endpoint(law.mean, x, t)

    def error(self, c: Coeffs) -> Tensor:
        """Size of its error, in the unit that all heads share."""
        return c.sigma
