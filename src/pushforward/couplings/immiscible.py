"""Assignment of noises to images in low precision."""

from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Gen, Pairs, State, map_state, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.transport import Cost, PNorm, assignment

__all__ = ["Immiscible"]


@dataclass(frozen=True)
class Immiscible:
    r"""Immiscible diffusion: permute the noises of a batch by an assignment to its images, with rounded distances.

    .. math:: \sigma^* = \arg\min_{\sigma \in S_B} \sum_j \big\lfloor |s\,x_0^{\sigma(j)} - s\,x_1^j| \big\rceil_{16}

    States are scaled by s and rounded to half precision, and so is their distance, which is not squared; the solver is
    told no more. Otherwise this is `ExactOT`, and with `half=False` and the squared distance the very same permutation.
    Both marginals stay exact. In many dimensions distances concentrate and the mean distance falls by a few per cent
    only (about 2 % in the paper). Conditions are not looked at: see `ConditionalOT`.

    Source: Li et al., Immiscible Diffusion: Accelerating Diffusion Training with Noise Assignment (NeurIPS 2024),
        https://arxiv.org/abs/2406.12303. Differs: sums of squares run in float32, only their root is rounded.

    Args:
        half: Round to half precision.
        scale: s > 0, which keeps half precision (at most 65504) from overflowing; the assignment does not depend on it
            otherwise, as long as the cost is a norm.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.
        tolerance: Relative duality gap of the pairing, in `[1e-8, 1]`; see `transport.auction`.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, and for states or rounded costs that
        are not finite.

    Example:
        >>> Immiscible()(torch.tensor([[0.0], [10.0]]), torch.tensor([[9.0], [1.0]])).x0
        tensor([[10.],
                [ 0.]])
    """

    half: bool = True
    scale: float = 0.1
    cost: Cost = field(default_factory=PNorm)
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require(self.scale > 0, f"scale is {self.scale}, expected a positive number")
        require(1e-8 <= self.tolerance <= 1, f"tolerance is {self.tolerance}, expected within [1e-8, 1]")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        if self.half:
            cost = pairwise_cost(self._rounded(x1), self._rounded(x0), self.cost).half().float()
            require(
                bool(torch.isfinite(cost).all()),
                "costs in half precision are not finite; look for NaN or infinity in the states, lower `scale`, or set "
                "half=False",
            )
        else:
            cost = pairwise_cost(x1, x0, self.cost)
        return Pairs((take(x0, assignment(cost, tolerance=self.tolerance)), x1), cond=cond)

    def _rounded(self, x: State) -> State:
        # float32 again, because not every cost knows half precision
        return map_state(lambda leaf: (self.scale * leaf).half().float() if leaf.is_floating_point() else leaf, x)
