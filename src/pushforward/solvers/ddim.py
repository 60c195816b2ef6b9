"""DDIM, with a churn that keeps the marginals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Cond, Gen, Incompatible, Path, State, Step, align, map_state, require
from pushforward.fields import Normal
from pushforward.solvers.exponential import ends, require_path
from pushforward.solvers.multistep import mix
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["DDIM", "Churn", "churn_at"]

Churn: TypeAlias = float | Callable[[Tensor], Tensor]


def churn_at(churn: Churn, t: Tensor) -> Tensor:
    """The churn at times `t`, `[B]`."""
    return churn(t) if callable(churn) else torch.full_like(t, churn)


@dataclass(frozen=True)
class DDIM:
    r"""DDIM: the ends put together again at the next time, the noise partly fresh; one evaluation a step.

    .. math:: x_t = \alpha_t D + \sqrt{\sigma_t^2 - c^2}\, \epsilon + c\, z, \qquad
              c = \eta\, \sigma_t \sqrt{1 - e^{-2|h|}}, \qquad
              h = \log\frac{\alpha_t}{\sigma_t} - \log\frac{\alpha_s}{\sigma_s}, \quad z \sim N(0, I)

    c shrinks with the step, so that smaller steps follow an equation whose marginals are those of the flow, whatever
    :math:`\eta` (`churn`) is. At 0 it is the flow (Euler on straight paths). At 1 forwards it is the ancestral step of
    DDPM and the first-order SDE-DPM-Solver++, the exact kernel of the equation with D frozen,

    .. math:: x_t = \frac{\sigma_t}{\sigma_s} e^{-h} x_s + \alpha_t (1 - e^{-2h}) D + \sigma_t \sqrt{1 - e^{-2h}}\, z,

    and backwards the exact kernel that adds noise, whatever D is. Both ends of a path are finite. A constant share of
    fresh noise, however small the step, is `Remix`, and leaves the marginals.

    Source: Song, Meng & Ermon, Denoising Diffusion Implicit Models (ICLR 2021), https://arxiv.org/abs/2010.02502, where
        sigma_t(eta) is c; on paths that do not preserve variance c is derived from the kernel above.

    Args:
        path: Affine, without latent noise. Churn holds for normal noise that is independent of the data.
        churn: eta in [0, 1], a number or times `[B]` (those arrived at) to `[B]`.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed. `dynamics` is a Field or an Estimator. `Step.law` is the
        law of x_t given x_s.
    Raises: `Incompatible` at construction for a path that is not affine, has latent noise, or churn with noise that is
        not normal; `InvalidInput` for a number outside [0, 1].

    Example:
        >>> path, x, s, t = pf.paths.Affine(), torch.ones(1, 1), torch.tensor([0.5]), torch.tensor([0.75])
        >>> DDIM(path, churn=1.0).step(lambda x, t, cond: 0 * x, x, s, t).law
        Normal(mean=tensor([[0.8333]]), std=tensor([0.2357]))
    """

    path: Path
    churn: Churn = 0.0

    def __post_init__(self) -> None:
        require_path(self)
        if not callable(self.churn):
            require(0 <= self.churn <= 1, f"DDIM.churn is {self.churn}, expected a number in [0, 1]")
        require(
            not self.draws or has_normal_noise(self.path.space),
            f"DDIM churns normal noise, and the path's space has {noise_of(self.path.space)}; use churn=0",
            Incompatible,
        )

    @property
    def draws(self) -> bool:
        """Whether a step draws noise."""
        return callable(self.churn) or self.churn > 0

    def law(self, dynamics: Any, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> Normal:
        """The law of the state at `t` given `x` at `s`."""
        path = cast(AffinePath, self.path)  # checked at construction
        seen, here, there = ends(path, dynamics, x, s, cond), path.coeffs(s), path.coeffs(t)
        # e^-|h| without logarithms: 0 to and from the ends of the path
        near, far = here.alpha * there.sigma, here.sigma * there.alpha
        most = torch.maximum(near, far)
        kept = torch.minimum(near, far).clamp_min(0.0) / torch.where(most > 0, most, 1.0)
        still = s == t
        std = churn_at(self.churn, t) * there.sigma * ((1 - kept) * (1 + kept)).sqrt()
        std = torch.where(still, 0.0, std)
        noise = ((there.sigma - std) * (there.sigma + std)).clamp_min(0.0).sqrt()
        mean = mix((there.alpha, seen.x1), (noise, seen.x0))
        return Normal(map_state(lambda p, m: torch.where(align(still, p), p, m), x, mean), std)

    def step(
        self,
        dynamics: Any,
        x: State,
        s: Float[Tensor, " b"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        carry: Any = None,
        generator: Gen = None,
    ) -> Step:
        """One step from `s` to `t`, and its law."""
        law = self.law(dynamics, x, s, t, cond)
        return Step(law.sample(generator=generator) if self.draws else law.mean, law)
