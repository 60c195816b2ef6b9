"""Gaussians whose conditional and unconditional velocity fields are exact, and ways to follow them precisely."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor


def gaussian_velocity(x: Tensor, t: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Marginal velocity of x_t = t x1 + (1 - t) x0 with x1 ~ N(mean, variance) and x0 ~ N(0, 1), coordinatewise."""
    t = t[:, None]
    gain = (t * variance - (1 - t)) / (t**2 * variance + (1 - t) ** 2)
    return mean + gain * (x - t * mean)


@dataclass
class TwoGaussians:
    """N(mean[0], variance[0]) without a condition (label -1) and N(mean[1], variance[1]) with one; counts its calls."""

    mean: tuple[float, float] = (0.0, 0.0)
    variance: tuple[float, float] = (1.0, 1.0)
    rows: list[int] = field(default_factory=list)

    def __call__(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        self.rows.append(len(x))
        which = (cond >= 0).long()
        mean, variance = (torch.tensor(p, dtype=x.dtype)[which][:, None] for p in (self.mean, self.variance))
        return gaussian_velocity(x, t, mean, variance)


@pytest.fixture
def gaussians() -> type[TwoGaussians]:
    return TwoGaussians


@pytest.fixture
def pushed() -> Callable[..., tuple[float, float]]:
    """Mean and variance of what an affine 1-D field makes of N(0, 1), by RK4.

    The flow map of an affine field is x0 -> m + sqrt(S) x0, so the images of 0 and 1 give m and S. RK4 is
    of order 4: 20 steps leave 5e-7 on the fields here (measured), so 60 leave 5e-7 / 3^4 < 1e-8.
    """

    def run(v: Callable[..., Tensor], steps: int = 60) -> tuple[float, float]:
        x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        cond = torch.zeros(2, dtype=torch.int64)
        h = 1 / steps
        for k in range(steps):
            t = torch.full((2,), k * h, dtype=torch.float64)
            k1 = v(x, t, cond)
            k2 = v(x + h / 2 * k1, t + h / 2, cond)
            k3 = v(x + h / 2 * k2, t + h / 2, cond)
            k4 = v(x + h * k3, t + h, cond)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        mean, one = x[:, 0].tolist()
        return mean, (one - mean) ** 2

    return run


@pytest.fixture
def stretched() -> Callable[..., float]:
    """Variance that a linear 1-D field a(t) x makes of N(0, 1): exp(2 int a), by the midpoint rule.

    All midpoints go in as one batch, each row with its own time. None of them falls on a jump of a(t) at a multiple
    of 1/cells, so the error is the rule's: a'' / (12 cells^2) < 1e-7 for 4000 cells and the fields here.
    """

    def run(v: Callable[..., Tensor], cells: int = 4000) -> float:
        t = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
        a = v(torch.ones(cells, 1, dtype=torch.float64), t, torch.zeros(cells, dtype=torch.int64))
        return float((2 * a.mean()).exp())

    return run
