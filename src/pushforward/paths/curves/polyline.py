"""Straight pieces on the simplex."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["Polyline", "check_knots", "interpolate"]


@dataclass(frozen=True)
class Polyline:
    r"""A curve on the simplex, straight between given points.

    .. math:: a(t) = \big(1 - s(q)\big)\, p_i + s(q)\, p_{i+1}, \qquad
              q = \frac{t - \tau_i}{\tau_{i+1} - \tau_i},\quad \tau_i \le t \le \tau_{i+1}

    A single piece has constant speed, s(q) = q. Of several each starts and ends at rest, :math:`s(q) = q^2 (3 - 2q)`:
    the map depends on where a curve passes and not on how fast, and a velocity that jumped at the points between would
    cost solvers their order there.

    Args:
        points: p, at least two, each K weights that are >= 0 and sum to 1.
        knots: When each is passed, from 0 to 1, increasing; None passes them at equal intervals.

    Shapes: `t` `[B]` gives a and a', `[B, K]`.
    Raises: `InvalidInput` for points outside the simplex, of unequal lengths, or knots that do not fit them.

    Example:
        >>> Polyline.edge(0, 2, marginals=3)(torch.tensor([0.25]))
        (tensor([[0.7500, 0.0000, 0.2500]]), tensor([[-1.,  0.,  1.]]))
    """

    points: tuple[tuple[float, ...], ...]
    knots: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        sizes = {len(point) for point in self.points}
        require(
            len(self.points) >= 2 and len(sizes) == 1,
            f"Polyline has {len(self.points)} points of {sorted(sizes)} weights; give at least two, of one length",
        )
        for point in self.points:
            require(
                min(point) >= 0 and abs(sum(point) - 1) < 1e-6,
                f"Polyline has the point {point}, which is not on the simplex; give weights >= 0 that sum to 1",
            )
        if self.knots is not None:
            check_knots("Polyline.knots", self.knots, len(self.points))

    @classmethod
    def edge(cls, start: int, stop: int, *, marginals: int) -> "Polyline":
        """From one corner straight to another."""
        return cls((_corner(start, marginals), _corner(stop, marginals)))

    @classmethod
    def edges(cls, marginals: int) -> tuple["Polyline", ...]:
        """All edges of the simplex, each once."""
        return tuple(cls.edge(i, j, marginals=marginals) for i, j in combinations(range(marginals), 2))

    @classmethod
    def detour(cls, start: int, stop: int, *, marginals: int) -> "Polyline":
        """From one corner to another through the barycentre."""
        middle = (1 / marginals,) * marginals
        return cls((_corner(start, marginals), middle, _corner(stop, marginals)))

    @property
    def marginals(self) -> int:
        """K."""
        return len(self.points[0])

    def __call__(self, t: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Weights and their derivatives."""
        n = len(self.points)
        knots = torch.tensor(self.knots or [k / (n - 1) for k in range(n)], dtype=torch.float64)
        return interpolate(t, knots, torch.tensor(self.points, dtype=torch.float64), rest=n > 2)


def check_knots(name: str, knots: Sequence[float], size: int) -> None:
    """Refuse knots that are not `size` increasing numbers from 0 to 1."""
    require(
        len(knots) == size
        and size >= 2
        and knots[0] == 0
        and knots[-1] == 1
        and all(a < b for a, b in pairwise(knots)),
        f"{name} are {tuple(knots)}, expected {max(size, 2)} increasing times from 0 to 1; subtract the first and "
        "divide by the last",
    )


def interpolate(t: Tensor, knots: Tensor, points: Tensor, *, rest: bool = False) -> tuple[Tensor, Tensor]:
    """Interpolation of rows `points` `[N, K]` at `t` `[B]`, and its derivative, `[B, K]` each.

    Linear, and at a knot with the derivative of the piece that begins there; with `rest` at rest at every knot.
    """
    knots, points = knots.to(t), points.to(t)
    i = torch.bucketize(t, knots[1:-1], right=True)
    width = (knots.diff()[i])[:, None]
    q = (t - knots[i])[:, None] / width
    share, speed = (q * q * (3 - 2 * q), 6 * q * (1 - q)) if rest else (q, 1.0)
    before, after = points[i], points[i + 1]
    return (1 - share) * before + share * after, speed * (after - before) / width


def _corner(k: int, marginals: int) -> tuple[float, ...]:
    require(0 <= k < marginals, f"got corner {k} of a simplex of {marginals} marginals, expected 0 to {marginals - 1}")
    return tuple(float(j == k) for j in range(marginals))
