"""A smooth curve through all anchors."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.paths.curves.polyline import check_knots

__all__ = ["NaturalSpline"]


@dataclass(frozen=True)
class NaturalSpline:
    r"""The natural cubic spline through the anchors: of all curves through them the one with least
    :math:`\int |\ddot x_t|^2 dt`.

    .. math:: x_t = p\,x_k + q\,x_{k+1} + \tfrac{h^2}{6} \big((p^3 - p)\, m_k + (q^3 - q)\, m_{k+1}\big), \qquad
              q = \frac{t - t_k}{h} = 1 - p,\quad h = t_{k+1} - t_k

    with second derivatives m at the anchors that make the velocity continuous and vanish at both ends. They are linear
    in the anchors, so the spline is a sum of anchors with weights of time alone, which sum to 1; between the times of
    two anchors others may weigh a little less than 0. With two anchors this is `Pairwise`.

    Source: the spline is textbook; splines between snapshots in flow matching as in Lee, Moradijamei & Shakeri,
        Multi-Marginal Stochastic Flow Matching (2025), https://arxiv.org/abs/2508.04351, without its overlapping
        windows.

    Args:
        times: When each anchor is met: from 0 to 1, increasing, at least two.

    Shapes: `t` `[B]` gives weights and derivatives, `[B, K]`.
    Raises: `InvalidInput` for times that do not increase from 0 to 1.

    Example:
        >>> NaturalSpline((0.0, 0.5, 1.0))(torch.tensor([0.25]))
        (tensor([[ 0.4062,  0.6875, -0.0938]]), tensor([[-2.1250,  2.2500, -0.1250]]))
    """

    times: tuple[float, ...] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_knots("NaturalSpline.times", self.times, len(self.times))

    @property
    def marginals(self) -> int:
        """K."""
        return len(self.times)

    def __call__(self, t: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Weights and their derivatives."""
        knots, bends = torch.tensor(self.times, dtype=torch.float64).to(t), self._bends().to(t)
        anchors = torch.eye(len(knots)).to(t)
        i = torch.bucketize(t, knots[1:-1], right=True)
        h = knots.diff()[i][:, None]
        q = (t - knots[i])[:, None] / h
        p = 1 - q
        here, there, m, n = anchors[i], anchors[i + 1], bends[i], bends[i + 1]
        weights = p * here + q * there + ((p**3 - p) * m + (q**3 - q) * n) * h**2 / 6
        slopes = (there - here) / h + ((1 - 3 * p**2) * m + (3 * q**2 - 1) * n) * h / 6
        return weights, slopes

    def _bends(self) -> Tensor:
        r"""Second derivatives at the anchors, `[K, K]`: row k holds the weights of m_k.

        .. math:: h_{k-1} m_{k-1} + 2 (h_{k-1} + h_k)\, m_k + h_k m_{k+1}
                  = 6 \Big(\frac{x_{k+1} - x_k}{h_k} - \frac{x_k - x_{k-1}}{h_{k-1}}\Big), \qquad m_0 = m_{K-1} = 0
        """
        h = torch.tensor(self.times, dtype=torch.float64).diff()
        size = len(self.times)
        left, right = torch.eye(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
        for k in range(1, size - 1):
            left[k, k - 1 : k + 2] = torch.stack([h[k - 1], 2 * (h[k - 1] + h[k]), h[k]])
            right[k, k - 1 : k + 2] = 6 * torch.stack([1 / h[k - 1], -1 / h[k - 1] - 1 / h[k], 1 / h[k]])
        return torch.linalg.solve(left, right)
