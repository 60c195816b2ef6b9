"""Polytopes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pushforward.core import Gen, InvalidInput, like, rand, randn, require, time_dtype
from pushforward.spaces.domain import Domain
from pushforward.spaces.reflection import reflect, unreflect

__all__ = ["Polytope", "half_space"]

NEAREST = 300  # rounds of the accelerated gradient method that looks for the nearest point
SMALL = 1e-9


@dataclass(frozen=True)
class Polytope(Domain):
    r"""The polytope A x <= b, whose faces throw back; see `Domain`.

    .. math:: x \leftarrow x - 2 \max(a_i \cdot x - b_i,\, 0)\, a_i, \qquad i = \arg\max_i\, (a_i \cdot x - b_i)

    a bounded number of times, since reflections may take long in a sharp corner, or after a step of many widths of the
    polytope. What is still outside then is drawn towards the centre c of the largest ball inside, along its ray, until
    it is in. Slopes come back through the same reflections, last first.

    Its noise is uniform in that ball, which has an exact density; rejection from a bounding box would be uniform on
    all of the polytope, but almost never accepts in ten dimensions, and knows no volume.

    Source: Xie et al., Reflected Flow Matching (ICML 2024), https://arxiv.org/abs/2405.16577; the centre is that of
        Chebyshev, by a linear program.

    Args:
        normals: A, one row for each face; scaled to unit length together with b.
        bounds: b.
        centre: Of a ball inside, from which noise is drawn; None for the largest one.
        radius: Of that ball; both or neither, and both where the polytope holds balls of any size.
        reflections: The bounded number, >= 1.

    Shapes: the last event axis has as many coordinates as a row of A.
    Raises: `InvalidInput` for walls that are no matrix with its bounds, for a polytope without inside, for one that
        holds balls of any size and has no `radius`, and for a ball that is not inside.

    Example:
        >>> triangle = Polytope(((-1.0, 0.0), (0.0, -1.0), (3.0, 4.0)), (0.0, 0.0, 12.0))
        >>> triangle.centre, triangle.radius
        ((1.0, 1.0), 1.0)
        >>> triangle.move(torch.tensor([[1.0, 1.0]]), torch.tensor([[-3.0, 0.0]]), torch.tensor([0.5]))
        tensor([[0.5000, 1.0000]])
    """

    normals: tuple[tuple[float, ...], ...]
    bounds: tuple[float, ...]
    centre: tuple[float, ...] | None = None
    radius: float | None = None
    reflections: int = 16

    def __post_init__(self) -> None:
        width = len(self.normals[0]) if self.normals else 0
        require(
            width > 0 and len(self.bounds) == len(self.normals) and all(len(row) == width for row in self.normals),
            f"Polytope has {len(self.normals)} rows A and {len(self.bounds)} bounds b, expected as many of both and "
            "rows of one length",
        )
        a, b = torch.tensor(self.normals, dtype=torch.float64), torch.tensor(self.bounds, dtype=torch.float64)
        size = a.norm(dim=1)
        require(
            bool((size > 0).all() and a.isfinite().all() and b.isfinite().all()),
            "Polytope has a row A that is zero, or numbers that are not finite; leave that face out",
        )
        require(self.reflections >= 1, f"Polytope.reflections is {self.reflections}, expected at least 1")
        a, b = a / size[:, None], b / size
        require(
            (self.centre is None) == (self.radius is None),
            f"Polytope got centre={self.centre} and radius={self.radius}; give both, or neither",
        )
        if self.centre is None or self.radius is None:
            centre, radius = _largest_ball(a, b)
        else:
            centre, radius = torch.tensor(self.centre, dtype=torch.float64), float(self.radius)
            require(
                centre.shape == (width,) and 0 < radius < math.inf and bool((a @ centre + radius <= b + SMALL).all()),
                f"the ball of radius {self.radius} around {self.centre} is not inside this Polytope; leave both out "
                "for the largest one",
            )
        plain = {"normals": tuple(map(tuple, a.tolist())), "bounds": tuple(b.tolist())}
        for name, value in {**plain, "centre": tuple(centre.tolist()), "radius": radius}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, normals: Tensor | Sequence[Sequence[float]], bounds: Tensor | Sequence[float]) -> "Polytope":
        """From a matrix A `[m, d]` and a vector b `[m]`."""
        a, b = torch.as_tensor(normals, dtype=torch.float64), torch.as_tensor(bounds, dtype=torch.float64)
        got = f"A and b have shapes {list(a.shape)} and {list(b.shape)}"
        require(a.ndim == 2 and b.ndim == 1, f"{got}, expected [m, d] and [m]; give a matrix and a vector")
        return cls(tuple(map(tuple, a.tolist())), tuple(b.tolist()))

    def _walls(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = len(self.normals[0])
        if x.ndim < 2 or x.shape[-1] != width:
            raise InvalidInput(
                f"this Polytope has {width} coordinates, the states have shape {list(x.shape)}; give [B, ..., {width}]"
            )
        assert self.centre is not None
        return _tensors(self.normals, self.bounds, self.centre, x.dtype, x.device)

    def depths(self, x: Tensor) -> Tensor:
        """A x - b `[..., m]`, in units of length: how far behind each face; inside where none is above 0."""
        a, b, _ = self._walls(x)
        return x @ a.T - b

    def _slack(self, x: Tensor) -> float:
        """What rounding may make of a depth: walls are drawn in by so much when points are brought inside."""
        assert self.centre is not None
        assert self.radius is not None
        reach = max(map(abs, self.bounds)) + max(map(abs, self.centre)) + self.radius
        return min(8 * len(self.normals[0]) * torch.finfo(x.dtype).eps * reach, 0.1 * self.radius)

    def _worst(self, y: Tensor) -> tuple[Tensor, Tensor]:
        a, _, _ = self._walls(y)
        depth, face = self.depths(y).max(-1)
        return depth, a[face]

    def _drawn_in(self, y: Tensor) -> Tensor:
        """What is outside, drawn towards the centre until it is inside."""
        _, _, centre = self._walls(y)
        ahead, room = y - centre, -self.depths(centre.expand(1, -1))[0] - self._slack(y)
        wanted = self.depths(y) + room + self._slack(y)  # a_i (y - c)
        ratio = torch.where(wanted > room, room / wanted.clamp_min(torch.finfo(y.dtype).tiny), 1.0).amin(-1)
        return torch.where((ratio < 1)[..., None], centre + ratio[..., None] * ahead, y)

    def _fold(self, y: Tensor) -> Tensor:
        return self._drawn_in(reflect(y, self._worst, self.reflections)[0])

    def _unfold(self, y: Tensor, v: Tensor) -> Tensor:
        return unreflect(v, reflect(y, self._worst, self.reflections)[1])

    def _nearest(self, y: Tensor) -> Tensor:
        """By the dual: multipliers >= 0 with the least |A' m|^2 / 2 - m (A y - b), Nesterov's accelerated gradients.

        What they leave of the constraints is drawn in. Fixed rounds: nothing waits for the device.
        """
        a, _, _ = self._walls(y)
        gram, depth = a @ a.T, self.depths(y)
        step = 1 / gram.abs().sum(1).amax()
        m = ahead = torch.zeros_like(depth)
        momentum = 1.0
        for _ in range(NEAREST):
            new = (ahead - step * (ahead @ gram - depth)).clamp_min(0)
            later = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            # restarted where momentum leads uphill, which makes the convergence linear
            uphill = ((ahead - new) * (new - m)).sum(-1, keepdim=True) > 0
            ahead = torch.where(uphill, new, new + (momentum - 1) / later * (new - m))
            m, momentum = new, later
        outside = (depth > 0).any(-1, keepdim=True)
        return torch.where(outside, self._drawn_in(y - m @ a), y)

    def _draw(self, shaped: Tensor, generator: Gen) -> Tensor:
        _, _, centre = self._walls(shaped)
        assert self.radius is not None
        z = randn(shaped.shape, shaped.to(time_dtype(shaped)), generator=generator)
        u = rand(shaped.shape[:-1], shaped, generator=generator)
        return like(centre + self.radius * ball_point(z, u), shaped)

    def _log_density(self, x: Tensor) -> Tensor:
        _, _, centre = self._walls(x)
        assert self.radius is not None
        inside = (x - centre).norm(dim=-1) <= self.radius * (1 + 1e-6)
        density = -log_ball_volume(x.shape[-1], self.radius)
        return torch.where(inside, torch.full_like(x[..., 0], density), -math.inf)

    def _inside(self, x: Tensor) -> Tensor:
        return (self.depths(x) <= 0).all(-1)


def half_space(normal: Sequence[float], bound: float, *, radius: float = 1.0) -> Polytope:
    """The half space normal . x <= bound; noise is uniform in a ball of this radius that touches its wall.

    Example:
        >>> half_space((0.0, -2.0), 0.0).move(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, -3.0]]), torch.ones(1))
        tensor([[0., 2.]])
    """
    size = math.hypot(*normal)
    require(size > 0, f"half_space has the normal {tuple(normal)}, expected one that is not zero")
    centre = tuple(n / size * (bound / size - radius) for n in normal)
    return Polytope((tuple(map(float, normal)),), (float(bound),), centre, radius)


def ball_point(z: Tensor, u: Tensor) -> Tensor:
    """Uniform in the unit ball, from standard normal `z` `[..., d]` and uniform `u` `[...]`."""
    return z / z.norm(dim=-1, keepdim=True) * (u ** (1 / z.shape[-1]))[..., None]


def log_ball_volume(d: int, radius: float) -> float:
    """Of the ball in d dimensions."""
    return d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1) + d * math.log(radius)


@lru_cache(maxsize=64)
def _tensors(
    normals: tuple[tuple[float, ...], ...],
    bounds: tuple[float, ...],
    centre: tuple[float, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    a, b, c = (torch.tensor(v, dtype=dtype, device=device) for v in (normals, bounds, centre))
    return a, b, c


def _largest_ball(a: Tensor, b: Tensor) -> tuple[Tensor, float]:
    """Centre and radius: the largest r with a_i c + r <= b_i."""
    from scipy.optimize import linprog

    m, d = a.shape
    cost, limits = [0.0] * d + [-1.0], [(None, None)] * d + [(0, None)]
    found = linprog(cost, torch.cat([a, torch.ones(m, 1)], 1).numpy(), b.numpy(), bounds=limits)
    require(
        found.status != 3,
        "this Polytope holds balls of any size; give the centre and radius of one, from which noise is drawn",
    )
    room = found.status == 0 and float(found.x[-1]) > SMALL
    require(room, "this Polytope has no inside: its faces leave no room for a ball; leave some out")
    return torch.as_tensor(found.x[:-1]), float(found.x[-1])
