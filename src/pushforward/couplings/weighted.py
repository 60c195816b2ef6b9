"""Independent pairs that count less the farther apart they are."""

import math
from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Gen, Pairs, State, leaves, require
from pushforward.couplings._batch import paired_cost
from pushforward.couplings.independent import Independent
from pushforward.transport import Cost, PNorm

__all__ = ["WeightedCFM"]


@dataclass(frozen=True)
class WeightedCFM:
    r"""Weighted conditional flow matching (W-CFM): independent pairs, each counted by a Gibbs kernel.

    .. math:: \omega(x_0, x_1) = e^{-c(x_0, x_1) / \varepsilon}, \qquad
              L(\theta) = \mathrm E_{p_0 \otimes p_1}\, \omega\,|v_\theta(x_t, t) - \dot x_t|^2

    No plan is solved. In effect the pairs have the law :math:`p_0(x_0)\,p_1(x_1)\,\omega / Z`: the entropic plan with
    constants in place of its potentials. How far the marginals move follows:

    .. math:: p_0 \to p_0 \tau_0 / Z,\quad p_1 \to p_1 \tau_1 / Z, \qquad
              \tau_0(x_0) = \mathrm E_{x_1}\,\omega,\ \tau_1(x_1) = \mathrm E_{x_0}\,\omega,\ Z = \mathrm E\,\omega

    Both tilt towards where the other is near, and what is learned is the tilted target. There is no bias where tau is
    constant (source and data uniform on two spheres about one centre), and none as epsilon -> infinity, which is
    `Independent`. Otherwise the relative variance of tau, Var(tau) / Z^2, measures it over a few thousand pairs: choose
    the least epsilon before it rises. With conditions the tilts hold within each: so does the one of the source, and a
    condition far from the source counts less in the loss.

    Source: Calvo-Ordonez et al., Weighted Conditional Flow Matching (2025), https://arxiv.org/abs/2507.22270. Differs:
        weights are normalised over the batch, i.e. a softmax of -c / epsilon times B, which the paper shows to be
        equivalent for large batches; of order 1 / B for small ones.

    Args:
        epsilon: Bandwidth of the kernel, > 0.
        relative: Whether epsilon counts in square roots of the number of coordinates (the paper's kappa) or, absolute,
            in units of the cost. In the paper's CIFAR-10 runs 7.5 was best, 0.14 of these roots.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0; the paper's is
            the distance, not squared.
        normalise: Divide the weights by their mean over the batch, so that the loss keeps its scale.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 and cond stay in place; `weight` is `[B]`.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, and for costs that are not finite.

    Example:
        >>> pairs = WeightedCFM()(torch.zeros(3, 1), torch.tensor([[0.0], [1.0], [9.0]]))
        >>> pairs.weight
        tensor([1.8546, 1.1248, 0.0206])
    """

    epsilon: float = 2.0
    relative: bool = True
    cost: Cost = field(default_factory=PNorm)
    normalise: bool = True

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon is {self.epsilon}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs with weights."""
        pairs = Independent()(x0, x1, cond, generator=generator)
        coordinates = sum(leaf[0].numel() for leaf in leaves(x1))
        epsilon = self.epsilon * (math.sqrt(coordinates) if self.relative else 1.0)
        energy = paired_cost(pairs.x0, pairs.x1, self.cost) / -epsilon
        require(
            bool(torch.isfinite(energy).all()),
            "pairs have costs that are not finite; look for NaN or infinity in the states",
        )
        return pairs._replace(weight=len(energy) * energy.softmax(0) if self.normalise else energy.exp())
