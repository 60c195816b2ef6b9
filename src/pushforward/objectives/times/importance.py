"""Times in proportion to what a likelihood asks of them."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from pushforward.core import Coeffs, Incompatible, Schedule, require
from pushforward.objectives.weights import NamedLoss, VelocityLoss
from pushforward.paths.schedules import CondOT, Invertible

__all__ = ["Importance"]


@dataclass(frozen=True)
class Importance:
    r"""Times drawn in proportion to the likelihood weight, so that no weight is left on `loss`.

    .. math:: p(t) = \frac{1}{Z}\, \frac{(\text{error of Likelihood})^2}{(\text{error of loss})^2}, \qquad
              Z = \int_{\lambda_0}^{\lambda_1} \frac{\alpha^2}{2\,\mathrm{error}^2}\, d\lambda, \qquad
              \lambda = \log\frac{\alpha^2}{\sigma^2}

    Then :math:`Z\,\mathrm E_{t \sim p}[\mathrm{loss}]` is what the variational bound takes from the field between the
    two noise levels, with far less variance than uniform times under the weight. For `VelocityLoss` on CondOT p is
    t / (1 - t), for `VLoss` on a variance-preserving schedule it is alpha^2 in lambda: the SP and VP laws of i-DODE,
    where gamma = -lambda.

    Source: Zheng, Lu, Chen & Zhu, Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs (ICML 2023),
        https://arxiv.org/abs/2305.03935, section 4.2. Differs: one law for every schedule and loss, its distribution
        function tabulated in lambda (as a parabola on each cell, exactly inverted) instead of closed or bisected.

    Args:
        schedule: Of the path; its ratio must rise and be invertible.
        loss: What is minimised at these times, as `weight` of the objective.
        noisiest: lambda_0, the log signal-to-noise ratio at which times begin.
        cleanest: lambda_1, at which they end; 13.3 is the paper's choice for truncated-normal dequantisation of bytes,
            11.8 for uniform. The noise should be well inside a cell there.
        nodes: Of the table.

    Raises: `Incompatible` for a schedule without `time_at_snr`; `InvalidInput` for levels in the wrong order, or that
        the schedule does not reach.

    Example:
        >>> law = Importance(noisiest=-5.0, cleanest=5.0)
        >>> law.quantile(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0759, 0.8048, 0.9241])
    """

    schedule: Schedule = field(default_factory=CondOT)
    loss: NamedLoss = field(default_factory=VelocityLoss)
    noisiest: float = -5.0
    cleanest: float = 13.3
    nodes: int = 8193

    def __post_init__(self) -> None:
        require(
            isinstance(self.schedule, Invertible),
            f"times by noise level need schedule.time_at_snr, which {type(self.schedule).__name__} does not have",
            Incompatible,
        )
        require(
            self.noisiest < self.cleanest and self.nodes >= 2,
            f"Importance needs noisiest < cleanest and nodes >= 2, got {self.noisiest}, {self.cleanest}, {self.nodes}",
        )
        low, high = self.span
        require(
            -1e-9 <= low < high <= 1 + 1e-9,
            f"{type(self.schedule).__name__} has these ratios at times {low:.4g} to {high:.4g}, outside [0, 1]; choose "
            "levels that it reaches",
        )

    @property
    def span(self) -> tuple[float, float]:
        """The times at which these levels are met: where the trained field may be followed, and its density taken."""
        low, high = self._time(torch.tensor([self.noisiest, self.cleanest], dtype=torch.float64)).tolist()
        return (low, high)

    @property
    def total(self) -> float:
        """Z: the bound's part that depends on the field is this times the loss, summed over coordinates."""
        return float(self._table[1][-1])

    def _time(self, level: Tensor) -> Tensor:
        assert isinstance(self.schedule, Invertible)
        return self.schedule.time_at_snr((level / 2).exp())

    def _height(self, c: Coeffs) -> Tensor:
        """The likelihood's weight on the loss, per unit of lambda (derived: W dt = alpha sigma d lambda / 2)."""
        return (c.alpha / self.loss.error(c)).square() / 2

    @cached_property
    def _table(self) -> tuple[Tensor, Tensor]:
        """Heights at the nodes, and the area below them."""
        level = torch.linspace(self.noisiest, self.cleanest, self.nodes, dtype=torch.float64)
        height = self._height(self.schedule(self._time(level)))
        area = (height[1:] + height[:-1]) * (self._cell / 2)
        return height, torch.cat([area.new_zeros(1), area.cumsum(0)])

    @property
    def _cell(self) -> float:
        return (self.cleanest - self.noisiest) / (self.nodes - 1)

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        height, area = (part.to(q.device) for part in self._table)
        wanted = q.double() * area[-1]
        cell = (torch.searchsorted(area, wanted, right=True) - 1).clamp(0, self.nodes - 2)
        ahead, first = (wanted - area[cell]).clamp_min(0.0), height[cell]
        slope = (height[cell + 1] - first) / self._cell
        # the positive root of slope/2 s^2 + first s = ahead, in the form that keeps digits when slope s is small
        step = 2 * ahead / (first + (first * first + 2 * slope * ahead).clamp_min(0.0).sqrt())
        return self._time(self.noisiest + cell * self._cell + step).clamp(*self.span).to(q.dtype)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        low, high = self.span
        inside = (t >= low) & (t <= high)
        exact = t.double().clamp(low, high)
        c = self.schedule(exact)
        rate = 2 * c.wronskian / (c.alpha * c.sigma)  # of lambda in t
        return torch.where(inside, self._height(c) * rate / self.total, 0.0).to(t.dtype)
