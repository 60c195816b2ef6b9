"""Entropic optimal transport within the batch."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import Cond, Gen, Pairs, State, rand, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.couplings._draws import draw_rows
from pushforward.transport import Cost, SquaredEuclidean, assignment, sinkhorn

__all__ = ["EntropicOT"]

NEARLY = 3e-4  # epsilon over the mean cost, below which plans are permutations but for a few rows


@dataclass(frozen=True)
class EntropicOT:
    r"""Minibatch entropic optimal transport: every data row draws its source from the entropic plan.

    .. math:: P = \arg\min_{P 1 = P^\top 1 = 1/B} \sum_{ij} P_{ij}\,|x_0^i - x_1^j|^2
              + \varepsilon \sum_{ij} P_{ij} \log P_{ij}, \qquad i_j \sim P_{\cdot j} \big/ \textstyle\sum_i P_{ij}

    With replacement: the data marginal stays exact in every batch, the source marginal in expectation (some source rows
    come twice, some not at all). Where the plan is a permutation, the draw is that permutation;
    drawing B pairs from the flattened plan, as the reference code does, would still lose rows there. Below epsilon =
    3e-4 mean costs, where no scaling converges in useful time, rows are paired as without replacement, whose limit is
    the same.

    Without replacement (`replacement=False`) the pairing is a random permutation, the optimal one for the cost
    :math:`|x_0^i - x_1^j|^2 - \varepsilon G_{ij}` with independent Gumbel noise G (the Gumbel-Matching law of Mena et
    al.): both marginals stay exact, epsilon -> 0 gives `ExactOT`, epsilon -> infinity `Independent`. Its mean over
    draws is close to the plan, not equal to it.

    Source: Pooladian et al., Multisample Flow Matching (ICML 2023), https://arxiv.org/abs/2304.14772; Tong et al.,
        Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (TMLR 2024),
        https://arxiv.org/abs/2302.00482; Mena et al., Learning Latent Permutations with Gumbel-Sinkhorn Networks
        (ICLR 2018), https://arxiv.org/abs/1802.08665. The Schroedinger bridge of volatility sigma between the batches
        is `EntropicOT(epsilon=2 * sigma**2, relative=False)`.

    Args:
        epsilon: Strength of the entropy, > 0.
        relative: Whether epsilon counts in mean costs of the batch or, absolute, in units of the cost.
        replacement: Draw from the plan, or a permutation.
        tolerance: Largest L1 error of the plan's marginals, see `transport.sinkhorn`.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings (costs are summed); x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states that are not finite,
        and where the plan's marginals do not reach the tolerance.

    Example:
        >>> couple = EntropicOT(epsilon=0.01)
        >>> couple(torch.tensor([[0.0], [10.0]]), torch.tensor([[9.0], [1.0]])).x0
        tensor([[10.],
                [ 0.]])
    """

    epsilon: float = 0.05
    relative: bool = True
    replacement: bool = True
    tolerance: float = 1e-6
    cost: Cost = field(default_factory=SquaredEuclidean)

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon is {self.epsilon}, expected a positive number")
        require(self.tolerance > 0, f"tolerance is {self.tolerance}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        cost = pairwise_cost(x1, x0, self.cost)
        mean = cost.abs().mean().item()
        # where all points coincide the mean cost is 0 and every plan is optimal: any epsilon will do
        scale = (mean if self.relative else 1.0) or 1.0
        epsilon = self.epsilon * scale
        soft = self.replacement and epsilon >= NEARLY * mean
        draw = self._from_plan if soft else self._permutation
        return Pairs((take(x0, draw(cost, epsilon, generator)), x1), cond=cond)

    def _from_plan(self, cost: Tensor, epsilon: float, generator: Gen) -> Tensor:
        return draw_rows(sinkhorn(cost, epsilon, tolerance=self.tolerance), generator)

    def _permutation(self, cost: Tensor, epsilon: float, generator: Gen) -> Tensor:
        uniform = rand(cost.shape, cost.double(), generator=generator).clamp_min(torch.finfo(torch.float64).tiny)
        return assignment(cost + epsilon * (-uniform.log()).log())  # the Gumbel noise is -log(-log U)
