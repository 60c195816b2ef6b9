"""Semi-relaxed optimal transport within the batch."""

from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Gen, Pairs, State, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.couplings._draws import draw_rows
from pushforward.transport import Cost, SquaredEuclidean, semi_relaxed

__all__ = ["SemiRelaxed"]


@dataclass(frozen=True)
class SemiRelaxed:
    r"""Every data row is reached, and source rows are used more or less often, as it suits.

    .. math:: \min_{P \ge 0,\ P^\top 1 = 1/B}\ \sum_{ij} P_{ij}\,|x_0^i - x_1^j|^2
              + \rho\,\mathrm{KL}(P 1 \,\|\, \tfrac1B) + \varepsilon\,\mathrm{KL}(P \,\|\, \tfrac1{B^2}),
              \qquad i_j \sim P_{\cdot j} \big/ \textstyle\sum_i P_{ij}

    The data marginal stays exact, with no weights. The source marginal moves: row i counts in proportion to
    :math:`m_i = e^{-f_i/\rho}`, with the potential of the plan; rho KL(P 1 | 1/B) is at most the cost of the balanced
    plan. Where the source is a population, B m is how many descendants a row has: the factor by which it grows. A
    sampler that starts from the source as it is does not see that tilt; `UnbalancedOT` with an infinite `rho_source`
    moves the data instead.

    rho = infinity is `EntropicOT`; rho = 0 lets every data row take a source near it, whatever the others do.

    Source: Wang et al., Joint Velocity-Growth Flow Matching for Single-Cell Dynamics Modeling (2025),
        https://arxiv.org/abs/2505.13413. Differs: every data row draws one source in each batch, where the paper draws
        sources by their mass and then data; the law of the pairs is the same.

    Args:
        epsilon: Strength of the entropy, > 0.
        rho: Strength with which the source marginal is held, from 0 to infinity.
        relative: Whether both count in mean costs of the batch or, absolute, in units of the cost.
        tolerance: L1 error of the plan's marginals. See `transport.semi_relaxed`.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings (costs are summed); x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states that are not finite,
        and where the plan does not reach the tolerance.

    Example:
        >>> couple = SemiRelaxed(0.1, 1.0, relative=False)
        >>> couple(torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [2.0]])).x0
        tensor([[0.],
                [0.]])
    """

    epsilon: float = 0.01
    rho: float = 0.19
    relative: bool = True
    tolerance: float = 1e-4
    cost: Cost = field(default_factory=SquaredEuclidean)

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon is {self.epsilon}, expected a positive number")
        require(
            self.rho >= 0, f"rho is {self.rho}, expected a number from 0 (marginal is free) to infinity (it is kept)"
        )
        require(self.tolerance > 0, f"tolerance is {self.tolerance}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        cost = pairwise_cost(
            x1, x0, self.cost
        ).T.double()  # potentials over epsilon are large numbers with small differences
        # where all points coincide the mean cost is 0 and every plan is as good: any unit will do
        unit = (cost.abs().mean().item() if self.relative else 1.0) or 1.0
        epsilon = self.epsilon * unit
        found = semi_relaxed(cost, epsilon, self.rho * unit, tolerance=self.tolerance)
        shares = torch.softmax((found.f[:, None] - cost) / epsilon, 0)
        return Pairs((take(x0, draw_rows(shares.T, generator)), x1), cond=cond)
