"""The schedule of least energy for the data at hand."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pushforward.core import Coeffs, Gen, InvalidInput, randn_like, require

__all__ = ["KineticOptimal", "data_separation"]

CLEANEST = math.pi / 2 - 1e-4  # the last angle at which a separation is asked: beyond, 1 - lambda is all rounding
OFF = 1e-2  # how far mean and mean square of data may be from 0 and 1; g is wrong by as much
ROWS = 256  # noisy points that are compared with all data at once


def data_separation(data: Tensor, rho: Tensor, *, draws: int = 512, generator: Gen = None) -> Tensor:
    r"""How far apart the rows of a data set are, seen through noise: 0 where they are one blur, 1 where each is known.

    .. math:: \lambda(\rho) = 1 - \tfrac1d\, \mathrm E\, \mathrm{tr}\, \mathrm{Cov}(x_1 \,|\, x_t), \qquad
              \rho = \alpha / \sigma

    The posterior is that of the data set itself, every row as likely as another: a softmax of
    :math:`-|y - \rho x_i|^2 / 2` at :math:`y = \rho x_1 + x_0`. Its variance is averaged over `draws` noisy rows, the
    same ones for every `rho`, so the answer is smooth in rho.

    Source: Shaul et al., On Kinetic Optimal Probability Paths for Generative Models (ICML 2023),
        https://arxiv.org/abs/2306.06626.

    Args:
        data: Rows `[N, *E]`; mean 0 and mean square 1 make it what the paper defines.
        rho: Ratios `[R]`, >= 0 and finite.
        draws: Noisy rows, of different data rows while there are enough.
        generator: Of the rows and the noise.

    Returns: lambda `[R]`, float64, <= 1, with a Monte Carlo error of order 1 / sqrt(draws d).

    Example:
        >>> data_separation(torch.tensor([[-1.0], [1.0]]), torch.tensor([0.0, 50.0]))
        tensor([0., 1.], dtype=torch.float64)
    """
    x = data.detach().flatten(1).double()
    pick = torch.rand(len(x), generator=generator, dtype=torch.float64).argsort().to(x.device)
    chosen = x[pick.repeat(-(-draws // len(x)))[:draws]]
    noise = randn_like(chosen, generator=generator)
    square = x.square().sum(1)
    found = []
    for ratio in rho.double().unbind():
        variance = x.new_zeros(())
        for some, e in zip(chosen.split(ROWS), noise.split(ROWS), strict=True):
            logits = ratio * (ratio * some + e) @ x.mT - ratio**2 / 2 * square
            weights = logits.softmax(1)
            variance = variance + (weights @ square - (weights @ x).square().sum(1)).sum()
        found.append(1.0 - variance / (draws * x.shape[1]))
    return torch.stack(found).to(rho.device)


@dataclass(frozen=True)
class KineticOptimal:
    r"""The schedule that minimises the kinetic energy of the marginal velocity, for the data it was made from.

    In polar coordinates :math:`\alpha = r\sin\theta,\ \sigma = r\cos\theta`, and per coordinate of standardised data,

    .. math:: \int \mathrm E|v|^2\, dt / d = \int r'^2 + r^2\theta'^2 g(\theta)\, dt, \qquad
              g(\theta) = 1 - \frac{1 - \lambda(\tan\theta)}{\cos^2\theta} \in [0, 1] .

    With the angle :math:`\phi(\theta) = \int_0^\theta \sqrt g` this is the energy of a curve in a plane, which is least
    on a straight line: with :math:`\Phi = \phi(\pi/2)` and :math:`b = 2 - 2\cos\Phi`, the energy of the optimum,

    .. math:: r_t = \sqrt{1 - bt + bt^2}, \qquad
              \phi_t = \mathrm{atan2}\big(t\sin\Phi,\ 1 - t + t\cos\Phi\big), \qquad
              \theta'_t = \frac{\sin\Phi}{r_t^2 \sqrt{g(\theta_t)}} .

    :math:`\sqrt g` is tabulated and linear in between, so that phi is quadratic in every cell and has its inverse in
    closed form: coefficients, derivatives and energies are exact for the tabulated g. All g = 1 is `CondOT`. The
    optimum may start very fast (theta' is large where g is small): draw more times near 0 if training shows it.

    Source: Shaul et al., On Kinetic Optimal Probability Paths for Generative Models (ICML 2023),
        https://arxiv.org/abs/2306.06626. Differs: the paper finds b by shooting and theta by a small network; the
        straight line gives both (derived).

    Args:
        speeds: :math:`\sqrt g` at equally spaced angles from 0 (noise) to pi/2 (data), at least two, each in (0, 1];
            `of` makes them from data, `of_separation` from lambda itself.

    Raises: `InvalidInput` for fewer than two speeds, or speeds that are not in (0, 1].

    Example:
        >>> data, g = torch.tensor([[-1.0], [1.0]]), torch.Generator().manual_seed(0)
        >>> schedule = KineticOptimal.of(data, draws=10_000, generator=g)
        >>> round(schedule.energy, 1), round(schedule.cond_ot_energy, 1)
        (0.5, 1.0)
    """

    speeds: tuple[float, ...]

    def __post_init__(self) -> None:
        require(
            len(self.speeds) >= 2 and all(0 < speed <= 1 for speed in self.speeds),
            f"KineticOptimal needs at least two speeds in (0, 1], got {len(self.speeds)} of "
            f"{min(self.speeds, default=math.nan):.4g} to {max(self.speeds, default=math.nan):.4g}; "
            "make them by KineticOptimal.of(data)",
        )

    @classmethod
    def of(
        cls, data: Tensor, *, nodes: int = 129, draws: int = 512, floor: float = 1e-4, generator: Gen = None
    ) -> "KineticOptimal":
        """The schedule for a data set.

        Args:
            data: Rows `[N, *E]` as the path meets them, N >= 2, mean 0 and mean square 1 over all coordinates.
            nodes: Angles at which g is tabulated.
            draws: Noisy rows at each of them.
            floor: The least g, in (0, 1]; it is 0 where the data look like Gaussian noise, and theta' is not finite.
            generator: Of the estimate.

        Raises: `InvalidInput` for data that are not standardised, by more than 0.01, which would be the error of g.
        """
        require(
            data.ndim >= 2 and len(data) >= 2 and bool(data.isfinite().all()),
            f"data have shape {list(data.shape)}, expected at least two finite rows [N, *E]",
        )
        x = data.detach().flatten(1).double()
        bias, size = float(x.mean(0).square().mean()), float(x.square().mean())
        require(
            bias <= OFF and abs(size - 1) <= OFF,
            f"the squared mean of the data is {bias:.3g} and their mean square {size:.3g}, per coordinate, expected 0 "
            "and 1; subtract the mean of every coordinate and divide by one number for all",
        )
        separation = lambda rho: data_separation(x, rho, draws=draws, generator=generator)
        return cls.of_separation(separation, nodes=nodes, floor=floor)

    @classmethod
    def of_separation(
        cls, separation: Callable[[Tensor], Tensor], *, nodes: int = 129, floor: float = 1e-4
    ) -> "KineticOptimal":
        """The schedule for a data separation lambda, which is asked once: ratios `[nodes]`, float64, to lambda.

        Raises: `InvalidInput` for fewer than two nodes, a floor outside (0, 1], or a lambda that is not finite.
        """
        require(nodes >= 2 and 0 < floor <= 1, f"got nodes={nodes} and floor={floor}, expected >= 2 and in (0, 1]")
        angle = torch.linspace(0, math.pi / 2, nodes, dtype=torch.float64).clamp_max(CLEANEST)
        found = separation(angle.tan()).to(angle)
        if found.shape != angle.shape or not bool(found.isfinite().all()):
            raise InvalidInput(f"the separation gave {list(found.shape)} values, expected [{nodes}], all finite")
        g = 1.0 - (1.0 - found) / angle.cos().square()
        return cls(tuple(g.clamp(floor, 1.0).sqrt().tolist()))

    @property
    def energy(self) -> float:
        """Kinetic energy of the marginal velocity, per coordinate of standardised data."""
        return 2.0 - 2.0 * math.cos(float(self._phi[-1]))

    @property
    def cond_ot_energy(self) -> float:
        r"""That of `CondOT`, for the same g: :math:`2 - \pi/2 + \int g\, d\theta` (derived; W = 1 there)."""
        a, b = self._speed[:-1], self._speed[1:]
        return 2.0 - math.pi / 2 + float((a * a + a * b + b * b).sum()) * self._cell / 3

    @cached_property
    def _speed(self) -> Tensor:
        return torch.tensor(self.speeds, dtype=torch.float64)

    @cached_property
    def _phi(self) -> Tensor:
        """phi at the nodes."""
        steps = (self._speed[:-1] + self._speed[1:]) * (self._cell / 2)
        return torch.cat([steps.new_zeros(1), steps.cumsum(0)])

    @property
    def _cell(self) -> float:
        return math.pi / 2 / (len(self.speeds) - 1)

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        speeds, nodes = self._speed.to(t), self._phi.to(t)
        whole = float(self._phi[-1])
        b = 2.0 - 2.0 * math.cos(whole)
        r = (1.0 - b * t * (1.0 - t)).sqrt()
        phi = torch.atan2(t * math.sin(whole), 1.0 - t + t * math.cos(whole))
        cell = (torch.searchsorted(nodes, phi.detach(), right=True) - 1).clamp(0, len(self.speeds) - 2)
        ahead, first = (phi - nodes[cell]).clamp_min(0.0), speeds[cell]
        slope = (speeds[cell + 1] - first) / self._cell
        speed = (first * first + 2 * slope * ahead).sqrt()  # of phi in theta, there
        theta = cell.to(t) * self._cell + 2 * ahead / (first + speed)
        turn, stretch = math.sin(whole) / (r * r * speed), b * (t - 0.5) / r
        sin, cos = theta.sin(), theta.cos().clamp_min(0.0)  # the last angle may round past pi / 2
        return Coeffs(
            alpha=r * sin,
            sigma=r * cos,
            d_alpha=stretch * sin + r * turn * cos,
            d_sigma=stretch * cos - r * turn * sin,
        )

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0: the part of the line below the angle, by the law of sines."""
        speeds, nodes = self._speed.to(rho), self._phi.to(rho)
        whole, theta = float(self._phi[-1]), rho.atan()
        cell = (theta.detach() / self._cell).long().clamp(0, len(self.speeds) - 2)
        ahead, first = theta - cell.to(rho) * self._cell, speeds[cell]
        phi = nodes[cell] + ahead * (first + (speeds[cell + 1] - first) * ahead / (2 * self._cell))
        below, above = phi.sin(), (whole - phi).clamp_min(0.0).sin()
        return torch.where(rho.isinf(), 1.0, below / (below + above))
