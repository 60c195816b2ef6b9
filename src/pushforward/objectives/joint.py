"""A coupling that is trained with the network."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from pushforward.core import Cond, Field, FlowMap, Gen, Incompatible, Loss, Objective, Pairs, Path, at, require
from pushforward.couplings import LearnedCoupling
from pushforward.couplings.learned import Gaussian
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["Joint"]


class Joint(nn.Module):
    r"""An objective on the pairs of a learned coupling, and the coupling's penalty.

    .. math:: L(\theta, \phi) = \mathrm E_{(x_0, x_1) \sim \pi_\phi}\, \ell_\theta(x_0, x_1, c)
              + \lambda\, \mathrm E\, \mathrm{penalty}_\phi

    The coupling runs inside the step, on the pairs that the run's own coupling gave, and gradients reach it through
    everything that the objective does with its pairs.

    Source: Lee, Kim & Ye, Minimizing Trajectory Curvature of ODE-based Generative Models (ICML 2023),
        https://arxiv.org/abs/2301.12003, the joint loss.

    Args:
        coupling: Its weights are trained, averaged, kept and saved along with the network's.
        objective: What is asked of the network.
        strength: lambda, finite and >= 0; the penalty counts in its own unit, summed over coordinates where it is a
            divergence in nats.

    Shapes: `pairs` as the coupling takes them; gives the objective's `Loss` with one more term, "penalty" (times
        lambda, so that the terms add up).
    Raises: `Incompatible` at construction when the coupling makes no sense on the objective's path or with its
        noise, the objective needs independent noise, or both drop conditions; `InvalidInput` for the strength.

    Example:
        >>> from pushforward.couplings import VariationalNoise
        >>> joint = Joint(VariationalNoise((2,)), pf.objectives.FlowMatching(), strength=0.1)
        >>> sorted(joint(pf.nets.MLP((2,)), Pairs((torch.randn(4, 2), torch.randn(4, 2)))).terms)
        ['fit', 'penalty']
    """

    ties_noise = True

    def __init__(self, coupling: LearnedCoupling, objective: Objective[Pairs], strength: float = 1.0) -> None:
        super().__init__()
        require(0 <= strength < math.inf, f"strength is {strength}, expected 0 or a positive number")
        require(
            not getattr(objective, "reads_noise", False),
            f"this {type(objective).__name__} needs noise that is independent of the data, as SecondOrder and "
            f"NeuralFlowDiffusion do, and {type(coupling).__name__} ties it to them; leave one of the two out",
            Incompatible,
        )
        self.coupling: Any = coupling  # a registered module, for which pyright knows no Protocol
        self.objective: Any = objective
        self.strength = strength
        coupling.check(self.path)
        space = self.path.space
        require(
            has_normal_noise(space) or not coupling.reads_noise,
            f"{type(coupling).__name__} needs standard normal noise, but the path's space has {noise_of(space)}; use "
            "Euclidean() there",
            Incompatible,
        )
        own = getattr(coupling, "cond_drop", None)
        require(
            own is None or not getattr(objective, "cond_drop", 0.0),
            f"{type(coupling).__name__} must see a dropped condition before the network does; set its cond_drop, not "
            f"that of {type(objective).__name__}",
            Incompatible,
        )

    @property
    def path(self) -> Path:
        """The objective's path."""
        return self.objective.path

    @property
    def reads_noise(self) -> bool:
        """Whether x0 must be standard noise that is independent of x1."""
        return self.coupling.reads_noise

    @property
    def cond_drop(self) -> float:
        """How often a condition is dropped, by the coupling or by the objective."""
        return max(getattr(part, "cond_drop", 0.0) for part in (self.coupling, self.objective))

    @property
    def network_times(self) -> int:
        """How many times the objective tells the network."""
        return getattr(self.objective, "network_times", 1)

    @property
    def outputs(self) -> int:
        """How many quantities the objective asks the network for."""
        return getattr(self.objective, "outputs", 1)

    def forward(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` and of the coupling on a batch of pairs."""
        return self._loss(net, batch, self.objective, generator=generator)

    def at(self, progress: float) -> Callable[..., Loss]:
        """The loss at a share `progress` of the training, where the objective changes on the way."""
        return partial(self._loss, objective=at(self.objective, progress))

    def _loss(self, net: Any, batch: Pairs, objective: Any, *, generator: Gen = None) -> Loss:
        pairs, penalty = self.coupling.pair_and_penalty(batch.x0, batch.x1, batch.cond, generator=generator)
        loss = objective(net, pairs._replace(weight=batch.weight), generator=generator)
        cost = Loss.mean({"penalty": self.strength * penalty}, batch.weight)
        return Loss(loss.value + cost.value, {**loss.terms, **cost.terms})

    def field(self, net: nn.Module) -> Field:
        """What `net` has learned, in the coordinates and with the conditions of the data."""
        return self.coupling.field(self.objective.field(net), self.path)

    def flow_map(self, net: nn.Module) -> FlowMap:
        """The flow map that `net` has learned.

        Raises: `Incompatible` for an objective that learns none, and for a coupling that moves the data's coordinates
            or replaces its conditions.
        """
        inner = getattr(self.objective, "flow_map", None)
        if inner is None:
            name = type(self.objective).__name__
            raise Incompatible(f"{name} learns no flow map; use MeanFlow, or a solver of flows such as Heun")
        field = self.objective.field(net)
        require(
            self.coupling.field(field, self.path) is field,
            f"{type(self.coupling).__name__} learns in coordinates or conditions of its own, for which jumps are not "
            "known; sample with a solver of flows such as Heun",
            Incompatible,
        )
        return inner(net)

    def source(self, cond: Cond) -> Gaussian | None:
        """The law from which sampling starts; None for the space's own noise."""
        return self.coupling.source(cond)
