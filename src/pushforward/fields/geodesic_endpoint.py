"""The network says where geodesics end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pushforward.core import EndpointPath, Incompatible, Path, Point, Smooth, State, require
from pushforward.fields.arrival import Arrival
from pushforward.fields.ends import regular, require_endpoint
from pushforward.spaces import Euclidean, Product

__all__ = ["GeodesicEndpoint"]


@dataclass(frozen=True)
class GeodesicEndpoint:
    r"""The network says the endpoint of the geodesic through x, and the path turns it into a velocity.

    .. math:: \hat x_1 = \exp_x u, \quad u = P_x\, \mathrm{net}(x, t), \qquad
              v = \frac{\kappa'_t}{1 - \kappa_t} \log_x \hat x_1, \qquad
              \ell = \sum_k \frac{\lambda_k}{n_k} \Big\lVert \frac{\log_x x_1 - u}{1 - \min(t, q)} \Big\rVert_k^2

    The answer is an update of x, as frames are updated by turns in their own axes, so that it is a point of the space
    whatever the network says. The mean of ways is a way, and its v the marginal velocity; beyond the cut locus v
    takes the shorter one. `law(x, t).mean` of a `NetField` is the endpoint: at the last time it is the
    sample. The paper's loss on frames is `shares={"shift": 2.0, "rotation": 1.0}` on `SE3` in units of 10 angstrom.

    Source: Yim et al., Fast protein backbone generation with SE(3) flow matching (2023),
        https://arxiv.org/abs/2310.05297; code microsoft/protein-frame-flow. Differs: the loss is told u itself, not
        the logarithm of where it leads, which is the same until the cut locus and jumps there; no losses on atoms, no
        self-conditioning, and the loss of translations is not cut off at 5.

    Args:
        shares: lambda, how much each part of a `Product` counts, by name; None counts all free coordinates alike.
        latest: q in [0, 1), when the weight stops growing.

    Raises: `InvalidInput` for `latest`; `Incompatible` (`check`) on a path whose motion does not follow from x1, on a
        space without logarithm, and for shares that are not those of the space.

    Example:
        >>> from pushforward.spaces import Sphere
        >>> field = pf.fields.NetField(pf.nets.MLP((3,)), GeodesicEndpoint(), pf.paths.Geodesic(Sphere()))
        >>> x, t = Sphere().noise(torch.empty(5, 3)), torch.zeros(5)
        >>> torch.allclose(field(x, t), Sphere().log(x, field.law(x, t).mean), atol=1e-5)
        True
    """

    shares: Mapping[str, float] | None = None
    latest: float = 0.9

    def __post_init__(self) -> None:
        require(0 <= self.latest < 1, f"latest is {self.latest}, expected a time in [0, 1)")

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return regular(path, sigma=True)

    def check(self, path: Path) -> None:
        """The path must give a motion from p(x1 | x_t), on a space with logarithm and, for shares, with such parts."""
        space = self._path(path).space
        require(
            isinstance(space, Smooth),
            f"GeodesicEndpoint needs a logarithm, which {type(space).__name__} does not have; use Velocity",
            Incompatible,
        )
        names = [name for name, _ in space.spaces] if isinstance(space, Product) else None
        require(
            self.shares is None or (names is not None and sorted(self.shares) == sorted(names)),
            f"shares are of the parts {sorted(self.shares or ())}, and {space} has {names or 'none'}; give every part "
            "of a Product its share, or leave them out",
            Incompatible,
        )

    def _path(self, path: Path) -> EndpointPath:
        return require_endpoint(path, "GeodesicEndpoint")

    def law(self, out: State, x: State, t: Tensor) -> Arrival:
        """A point estimate in flat space: x + out."""
        return self.law_on(Euclidean(), out, x, t)

    def law_on(self, space: Any, out: State, x: State, t: Tensor) -> Arrival:
        """A point estimate; `out` is a tangent vector where the space says how."""
        way = getattr(space, "motion", space.tangent)(x, out)
        weight = (1 - t.clamp_max(self.latest)).square().reciprocal()
        return Arrival(way, x, space, weight, self.shares)

    def target(self, path: Path, point: Point) -> State:
        """The data end of the pair."""
        return point.pairs.x1

    def velocity(self, path: Path, law: Any, x: State, t: Tensor) -> State:
        """The path's motion towards the estimated end."""
        return self._path(path).drift(law, x, t)
