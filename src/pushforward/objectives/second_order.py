"""Second-order flow matching: the divergence is regressed, too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor

from pushforward.core import (
    AffineHead,
    AffinePath,
    Gen,
    Hutchinson,
    Incompatible,
    InvalidInput,
    Law,
    Point,
    State,
    align,
    dot,
    event_size,
    like,
    require,
)
from pushforward.objectives.flow_matching import FlowMatching
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["SecondOrder"]

TINY = 1e-12  # of a head's error where alpha, sigma or W vanish: keep times away from there


@dataclass(frozen=True)
class SecondOrder:
    r"""Ties the divergence of the field to the size of its own first-order errors: a term of `FlowMatching`.

    .. math:: \lambda\, \Big(\tfrac1d \nabla\!\cdot D_\theta(x_t, t)
              - \tfrac1d\, \mathrm{sg}\big[\alpha\, |\dot x_t - v_\theta|^2 / W^2\big]\Big)^2, \qquad
              D = \mathrm E[x_1 | x_t] = \frac{\sigma v - \sigma' x}{W}

    For a standard normal source, independent of the data, :math:`\mathrm E\,|\dot x - v|^2 / W^2 = \mathrm{div} D /
    \alpha` given x_t, at the exact v (derived: Cov(x0 | x_t) = I + sigma^2 grad grad log p). On CondOT this is

    .. math:: d + (1 - t)\, \nabla\!\cdot v_\theta \quad\text{regressed on}\quad
              \mathrm{sg}\big[t\,|\dot x - v_\theta|^2\big]

    A density takes the divergence of the field, which the first-order loss does not see. For the last part of a
    training.

    Source: Zheng, Lu, Chen & Zhu, Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs (ICML 2023),
        https://arxiv.org/abs/2305.03935, its trace form for SP and VP schedules. Differs: any affine schedule and head;
        forward mode; and where the paper squares one probe's estimate, which adds the probe's variance and so pulls the
        Jacobian towards a diagonal one, here different probes are multiplied with each other, which is unbiased (and
        may be negative in a row). Per coordinate, as "fit" is.

    Args:
        strength: lambda >= 0; 0.1 in the paper.
        probes: Rademacher probes, >= 2; a Jacobian product each.

    Raises: `Incompatible` (`check`) on a path that is not affine or has latent noise, for a head that does not tell
        both ends.

    Example:
        >>> objective = pf.objectives.FlowMatching(times=pf.objectives.Importance(), terms=(SecondOrder(),))
        >>> sorted(objective(pf.nets.MLP((2,)), pf.core.Pairs((torch.randn(4, 2), torch.randn(4, 2)))).terms)
        ['fit', 'second_order']
    """

    strength: float = 0.1
    probes: int = 2
    reads_noise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self.strength >= 0, f"SecondOrder has strength {self.strength}, expected 0 or more")
        require(self.probes >= 2, f"SecondOrder multiplies different probes, got probes={self.probes}; at least 2")

    @property
    def name(self) -> str:
        """Its key in `Loss.terms`."""
        return "second_order"

    def check(self, objective: FlowMatching) -> None:
        """The head must tell both ends of an affine path without latent noise."""
        path, head = objective.path, objective.head
        affine = isinstance(head, AffineHead) and isinstance(path, AffinePath)
        require(
            affine and getattr(path, "latent", None) is None,
            f"SecondOrder needs the denoiser, which {type(head).__name__} does not tell on {path}; use an affine path "
            "without latent noise",
            Incompatible,
        )
        require(
            has_normal_noise(path.space),
            f"SecondOrder holds for standard normal noise, the path's space has {noise_of(path.space)}",
            Incompatible,
        )

    def residuals(
        self,
        answer: Callable[[State, Tensor], Law],
        point: Point,
        law: Law,
        objective: FlowMatching,
        *,
        generator: Gen = None,
    ) -> Tensor:
        """What each probe finds of (div D - alpha |error|^2) / d, `[probes, B]`; its mean is 0 at the exact field."""
        path, head = cast(AffinePath, objective.path), cast(AffineHead, objective.head)
        x, t = point.x, point.t
        if not isinstance(x, Tensor):
            raise InvalidInput(f"SecondOrder takes tensors, got a mapping with leaves {sorted(x)}; flatten the state")
        c = path.coeffs(t)
        error = head.error(c).clamp_min(TINY)
        gap = cast(Tensor, law.mean) - cast(Tensor, head.target(path, point))
        gap = (gap / like(align(error, gap), gap)).detach()
        first = c.alpha * dot(gap, gap)
        trace = Hutchinson(self.probes)
        denoiser = lambda x: cast(Tensor, head.estimate(path, answer(x, t), x, t).x1)
        _, found = trace.estimates(denoiser, x, trace.probes(x, generator=generator))
        return (found - first) / event_size(x)

    def ask(
        self,
        answer: Callable[[State, Tensor], Law],
        point: Point,
        law: Law,
        objective: FlowMatching,
        *,
        generator: Gen = None,
    ) -> Tensor:
        """Loss of every row, `[B]`."""
        rows = self.residuals(answer, point, law, objective, generator=generator)
        K = self.probes
        return self.strength * (rows.sum(0).square() - rows.square().sum(0)) / (K * (K - 1))
