"""Jumps of token sequences with the hazard integrated over the step."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Cond, Gen, Path, State, Step, align
from pushforward.fields import Categorical
from pushforward.solvers.token_steps import hazard, require_mixture, said_of_data

__all__ = ["ExactJump"]


@dataclass(frozen=True)
class ExactJump:
    r"""The law of x_t given x_s and a drawn x1, in closed form; one evaluation a step, and no cut before t = 1.

    .. math:: \mathrm P(x_t^i = y \mid x_s) = (1 - h)\, 1[y = x_s^i] + h\, p_\theta^i(y \mid x_s), \qquad
              h = \frac{\kappa_t - \kappa_s}{1 - \kappa_s}

    `Euler` holds the rate of the step's start; here its integral is taken, so that the schedule does not matter beyond
    the values of kappa at the grid, and the last step, h = 1, draws all that is left. What remains of the error is that
    positions which jump in one step do not see each other: none for a single position, O(1 / steps) for several.
    At equal steps that was a third to a half of Euler's error under the mask on `CondOT` and `Polynomial`, and the
    same on `Cosine`; under uniform noise 0.7 of it on the first two, but twice as much on `Cosine` (`bench discrete`).

    Source: Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595; the integrated hazard
        derived (it is the conditional chain's own: -d log(1 - kappa)).

    Args:
        path: What joins the ends.

    Shapes: `x` `[B, *E]` int64, `s`, `t` `[B]` with s <= t (rows with s > t stay). `dynamics` says a law of x1,
        `dynamics.law(x, s, cond)`, as `NetField(net, Logits(), path)` does. `Step.law` is the law of x_t given x_s.
    Raises: `Incompatible` for paths of other kinds, and for dynamics that say no law.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.0, 1.0]).along(path), pf.fields.Logits(), path)
        >>> pf.solve(field, torch.tensor([[2], [2]]), [0.0, 1.0], solver=ExactJump(path)).x
        tensor([[1],
                [1]])
    """

    span: ClassVar[tuple[float, float]] = (0.0, 1.0)  # it may step where rates diverge

    path: Path

    def __post_init__(self) -> None:
        require_mixture(self)

    def law(
        self, dynamics: Any, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None
    ) -> Categorical:
        """The law of the state at `t` given `x` at `s`."""
        x, path = cast(Tensor, x), require_mixture(self)
        said = path.posterior(said_of_data(self, dynamics, x, s, cond).mean, x)
        chance = align(hazard(path, s, t), said)
        return Categorical(((1 - chance) * one_hot(x, path.tokens.size) + chance * said).log())

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
        return Step(law.sample(generator=generator), law)
