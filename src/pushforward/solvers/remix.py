"""The noise refresh of FlowDPS."""

from dataclasses import dataclass
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Cond, Gen, Path, State, Step, require
from pushforward.fields import Normal
from pushforward.solvers.ddim import Churn, churn_at
from pushforward.solvers.exponential import ends, require_path
from pushforward.solvers.multistep import mix

__all__ = ["Remix"]


@dataclass(frozen=True)
class Remix:
    r"""The ends put together again at the next time, with a given share of fresh noise; one evaluation a step.

    .. math:: x_t = \alpha_t D + \sigma_t \big(\sqrt{1 - e}\, \epsilon + \sqrt{e}\, z\big), \qquad z \sim N(0, I)

    The share e does not shrink with the step. So this is no discretisation of an equation, and **the marginals do not
    stay**, the less the more steps there are: D and eps are means, to which noise of full strength is added again and
    again. On N(0, 1) with straight paths and e = t the variance arrives at 0.71 after 28 steps, at 0.64 after 2000.
    That is the method, whose data term repairs it; without one use `DDIM`, whose churn keeps the marginals.

    Source: Kim, Kim & Ye, FlowDPS: Flow-Driven Posterior Sampling for Inverse Problems (ICCV 2025),
        https://arxiv.org/abs/2503.08136, where e = t at the time arrived at.

    Args:
        path: Affine, without latent noise.
        churn: e in [0, 1], a number or times `[B]` (those arrived at) to `[B]`, such as `lambda t: t`.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`. `dynamics` is a Field or an Estimator, such as one that moves D towards a
        measurement. `Step.law` is the law of x_t given x_s.
    Raises: `Incompatible` at construction for a path that is not affine or has latent noise; `InvalidInput` for a
        number outside [0, 1].

    Example:
        >>> path, x, s, t = pf.paths.Affine(), torch.ones(1, 1), torch.tensor([0.5]), torch.tensor([0.75])
        >>> Remix(path, churn=lambda t: t).step(lambda x, t, cond: 0 * x, x, s, t).law
        Normal(mean=tensor([[0.8750]]), std=tensor([0.2165]))
    """

    path: Path
    churn: Churn

    def __post_init__(self) -> None:
        require_path(self)
        if not callable(self.churn):
            require(0 <= self.churn <= 1, f"Remix.churn is {self.churn}, expected a number in [0, 1]")

    @property
    def draws(self) -> bool:
        """Whether a step draws noise."""
        return callable(self.churn) or self.churn > 0

    def law(self, dynamics: Any, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> Normal:
        """The law of the state at `t` given `x` at `s`."""
        path = cast(AffinePath, self.path)  # checked at construction
        seen, c, share = ends(path, dynamics, x, s, cond), path.coeffs(t), churn_at(self.churn, t)
        return Normal(mix((c.alpha, seen.x1), (c.sigma * (1 - share).sqrt(), seen.x0)), c.sigma * share.sqrt())

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
