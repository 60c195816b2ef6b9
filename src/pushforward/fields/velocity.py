"""The network says the velocity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pushforward.core import AffinePath, Coeffs, Estimate, Incompatible, Law, Path, Point, State, require
from pushforward.fields.dirac import Dirac
from pushforward.fields.shared import Shared
from pushforward.fields.tangent import Tangent

__all__ = ["Velocity"]


@dataclass(frozen=True)
class Velocity:
    r"""The network says the marginal velocity.

    .. math:: v_\theta(x, t) \approx \mathrm E[\dot x_t \,|\, x_t = x]

    On curved spaces the network is told the space's `features` of x, and what it says becomes tangent at x.

    Source: Lipman et al., Flow Matching for Generative Modeling (ICLR 2023), https://arxiv.org/abs/2210.02747.

    Args:
        shares: How much each leaf of a mapping counts in the loss, by name; None counts all coordinates alike.
    """

    shares: Mapping[str, float] | None = None

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return (0.0, 1.0)

    def check(self, path: Path) -> None:
        """Every path has a velocity."""

    def law(self, out: State, x: State, t: Tensor) -> Law:
        """A point estimate."""
        return Dirac(out) if self.shares is None else Shared(out, self.shares)

    def law_on(self, space: Any, out: State, x: State, t: Tensor) -> Law:
        """A point estimate on a curved space, in its metric; `out` is a tangent vector where the space says how."""
        require(self.shares is None, "shares count leaves of flat space; leave them out on a curved one", Incompatible)
        motion = getattr(space, "motion", space.tangent)
        return Tangent(motion(x, out), x, space)

    def target(self, path: Path, point: Point) -> State:
        """Conditional velocity."""
        return path.velocity(point)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The mean itself."""
        return law.mean

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends; neither where the speed vanishes."""
        return path.estimate(law.mean, x, t)

    def error(self, c: Coeffs) -> Tensor:
        """Size of its error, in the unit that all heads share."""
        return c.wronskian
