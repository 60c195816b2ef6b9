"""The mean of the sources that a plan sends to a row."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Pairs, State, map_state, require
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.transport import Cost, SquaredEuclidean, sinkhorn

__all__ = ["Barycentric"]


@dataclass(frozen=True)
class Barycentric:
    r"""Barycentric projection of the entropic batch plan: nothing is drawn, a row's sources are averaged.

    .. math:: \bar x_0^j = \sum_i \frac{P_{ij}}{\sum_k P_{kj}}\,x_0^i \approx \mathrm E_P[x_0 \mid x_1^j], \qquad
              P \text{ the plan of `EntropicOT`}

    Pairs are a deterministic function of the batch, so gradients are quiet and paths straight. The data marginal is
    kept, **the source marginal shrinks**: its mean stays, and its covariance loses the mean of
    :math:`\mathrm{Cov}_P(x_0 \mid x_1)` (law of total variance). For Gaussians with the entropic cross-covariance G
    what is left is :math:`G\,\mathrm{Cov}(x_1)^{-1} G^\top`. epsilon -> 0 gives `ExactOT`, without a bias; epsilon ->
    infinity puts all sources at their mean.

    Source: Seguy et al., Large-Scale Optimal Transport and Mapping Estimation (ICLR 2018),
        https://arxiv.org/abs/1711.02283, the projection; Pooladian et al., Multisample Flow Matching (ICML 2023),
        https://arxiv.org/abs/2304.14772, batch plans as couplings.

    Args:
        epsilon: Strength of the entropy, > 0.
        relative: Whether epsilon counts in mean costs of the batch or, absolute, in units of the cost.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.
        tolerance: Largest L1 error of the plan's marginals, see `transport.sinkhorn`.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings, real-valued; x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states that are not finite,
        and where the plan's marginals do not reach the tolerance.

    Example:
        >>> Barycentric(epsilon=100.0)(torch.tensor([[0.0], [10.0]]), torch.tensor([[9.0], [1.0]])).x0.round()
        tensor([[5.],
                [5.]])
    """

    epsilon: float = 0.05
    relative: bool = True
    cost: Cost = field(default_factory=SquaredEuclidean)
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon is {self.epsilon}, expected a positive number")
        require(self.tolerance > 0, f"tolerance is {self.tolerance}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        cost = pairwise_cost(x1, x0, self.cost)
        # where all costs are 0 every plan is optimal: any epsilon will do
        scale = (cost.abs().mean().item() if self.relative else 1.0) or 1.0
        plan = sinkhorn(cost, self.epsilon * scale, tolerance=self.tolerance)
        share = plan / plan.sum(1, keepdim=True)

        def mean(leaf: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
            return (share.to(leaf) @ leaf.reshape(len(leaf), -1)).reshape(leaf.shape)

        return Pairs((map_state(mean, x0), x1), cond=cond)
