"""Unbalanced optimal transport within the batch."""

from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Gen, Pairs, State, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.couplings._draws import draw_rows
from pushforward.transport import Cost, SquaredEuclidean, unbalanced

__all__ = ["UnbalancedOT"]


@dataclass(frozen=True)
class UnbalancedOT:
    r"""Minibatch unbalanced optimal transport (UOT-FM): what has no sensible counterpart counts for less.

    .. math:: \min_{P \ge 0} \sum_{ij} P_{ij}\,|x_0^i - x_1^j|^2 + \rho_0\,\mathrm{KL}(P 1 \,\|\, \tfrac1B)
              + \rho_1\,\mathrm{KL}(P^\top 1 \,\|\, \tfrac1B) + \varepsilon\,\mathrm{KL}(P \,\|\, \tfrac1{B^2}),
              \qquad i_j \sim P_{\cdot j},\quad w_j \propto \textstyle\sum_i P_{ij}

    Every data row draws its source from its column of the plan and weighs what the column weighs, with mean 1: the
    weighted pairs have the law of pairs drawn from P / sum P, as the paper draws them, without the noise of drawing the
    data rows.

    Both marginals move, and the weights carry it: data row j counts in proportion to :math:`e^{-g_j/\rho_1}`, source
    row i to :math:`e^{-f_i/\rho_0}`, with the potentials of the plan: what is dearer to reach by rho counts e times
    less. In all, :math:`\rho_0 \mathrm{KL}(P 1 \| \tfrac1B) + \rho_1 \mathrm{KL}(P^\top 1 \| \tfrac1B)` is at most
    the cost of the balanced plan. Infinite strengths keep a marginal, both of them give `EntropicOT`: the data exactly
    (weights 1), the source in expectation.

    Meant for two sets of data with different proportions or with outliers. From noise to data it reweights the noise,
    too, which a sampler does not: keep that side there (`rho_source` infinite).

    Source: Eyring et al., Unbalancedness in Neural Monge Maps Improves Unpaired Domain Translation (ICLR 2024),
        https://arxiv.org/abs/2311.15100, whose tau is rho / (rho + epsilon): 0.95 at epsilon 0.01 are the defaults.

    Args:
        epsilon: Strength of the entropy, > 0.
        rho_source: Strength with which the source marginal is held, from 0 to infinity.
        rho_data: Likewise for the data.
        relative: Whether all three count in mean costs of the batch or, absolute, in units of the cost. Far
            outliers dominate the mean: choose absolute strengths there, of the order of a cost that makes sense.
        tolerance: L1 error of the plan's marginals, over its mass. See `transport.unbalanced`.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings (costs are summed); x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states that are not finite,
        and where the plan does not reach the tolerance.

    Example:
        >>> couple = UnbalancedOT(0.1, 10.0, 10.0, relative=False)
        >>> couple(torch.tensor([[0.0], [10.0]]), torch.tensor([[99.0], [1.0]])).weight
        tensor([0., 2.])
    """

    epsilon: float = 0.01
    rho_source: float = 0.19
    rho_data: float = 0.19
    relative: bool = True
    tolerance: float = 1e-4
    cost: Cost = field(default_factory=SquaredEuclidean)

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon is {self.epsilon}, expected a positive number")
        for name in ("rho_source", "rho_data"):
            rho = getattr(self, name)
            require(rho >= 0, f"{name} is {rho}, expected a number from 0 (marginal is free) to infinity (it is kept)")
        require(self.tolerance > 0, f"tolerance is {self.tolerance}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        cost = pairwise_cost(x1, x0, self.cost)
        dtype, cost = cost.dtype, cost.double()  # potentials over epsilon are large numbers with small differences
        # where all points coincide the mean cost is 0 and every plan is as good: any unit will do
        unit = (cost.abs().mean().item() if self.relative else 1.0) or 1.0
        epsilon, rho = self.epsilon * unit, (self.rho_data * unit, self.rho_source * unit)
        found = unbalanced(cost, epsilon, rho, tolerance=self.tolerance)
        # From the potentials, because rows of the plan may underflow: P_ij / sum_i P_ij and the row's own weight.
        energy = (found.g - cost) / epsilon
        shares = torch.softmax(energy, 1)
        mass = torch.softmax(found.f / epsilon + energy.logsumexp(1), 0) * len(cost)
        return Pairs((take(x0, draw_rows(shares, generator)), x1), cond=cond, weight=mass.to(dtype))
