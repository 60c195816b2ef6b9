"""A velocity and its score, seen as a family of stochastic differential equations."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import (
    AffinePath,
    Cond,
    Field,
    Incompatible,
    InvalidInput,
    State,
    align,
    like,
    map_state,
    require,
    span_of,
)
from pushforward.fields.ends import regular, require_affine
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["FlowSDE"]

Noise: TypeAlias = float | Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FlowSDE:
    r"""The equations with noise that have the marginals of a flow, forwards and backwards in time.

    .. math::
        dx &= (v + \epsilon_t s)\, dt + \sqrt{2\epsilon_t}\, dW && \text{from } s \text{ to } t > s \\
        dx &= (v - \epsilon_t s)\, dt + \sqrt{2\epsilon_t}\, d\bar W && \text{from } s \text{ to } t < s

    In the Fokker-Planck equation of the first, :math:`-\nabla\cdot(\epsilon s p) + \epsilon \Delta p = 0` as
    :math:`s p = \nabla p`, so that p_t is that of the flow whatever epsilon is; the second is the same with time
    mirrored. Both have the step x + h v + |h| eps s + sqrt(2 eps |h|) z, h = t - s of either sign.

    Seen without a `direction`, this is the velocity alone: solvers of flows follow the probability flow. A solver of
    SDEs asks for the drift with `direction` (+1 or -1 for every row) and for `diffusion`, sqrt(2 eps).

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797; the score
        from the velocity as in Kim et al., Inference-Time Scaling for Flow Models (2025),
        https://arxiv.org/abs/2503.19385, where g = sqrt(2 eps) and time is mirrored.

    Args:
        velocity: Marginal velocity, `velocity(x, t, cond)`.
        eps: Noise level >= 0, in squared state units per unit of time: a number, or times `[B]` to `[B]`. Where the
            score diverges (t -> 1 on data without width) let it vanish at least like sigma^2.
        score: `score(x, t, cond)` shaped like `x`; None takes the velocity's own `.score`, and where it has one its
            `.drift(x, t, cond, push)`, which gives v + push s of one evaluation. An affine path instead says that the
            score is -E[x0 | x_t] / sigma, read from the velocity without another evaluation: this holds for a
            standard normal source that is *independent* of the data, and is no score under any other coupling.

    Shapes: `x` `[B, *E]`, `t` and `direction` `[B]`.
    Raises: at construction `InvalidInput` for a negative or infinite `eps`, `Incompatible` where no score is known or
        the path does not tell it.

    Example:
        >>> path = pf.paths.Affine()
        >>> sde = FlowSDE(pf.oracles.reference_mixture().along(path), eps=0.5)
        >>> x, t = torch.tensor([[0.5, -0.2]]), torch.tensor([0.4])
        >>> sde(x, t), sde(x, t, direction=torch.ones(1)), sde.diffusion(t)
        (tensor([[ 2.1716, -0.4090]]), tensor([[ 2.4788, -0.3787]]), tensor([1.]))
    """

    velocity: Field
    eps: Noise = 1.0
    score: Callable[..., State] | AffinePath | None = None

    def __post_init__(self) -> None:
        if not callable(self.eps):
            level = self.eps
            require(0 <= level < math.inf, f"eps={level}, expected a number >= 0, or a function of times", InvalidInput)
        if isinstance(self.score, AffinePath):
            require_affine(self.score, "A score read from the velocity")
            require(
                has_normal_noise(self.score.space),
                "a score is read from the velocity for normal noise, the path's space has "
                f"{noise_of(self.score.space)}; give score=...",
                Incompatible,
            )
            return
        require(
            callable(self.score) or (self.score is None and callable(getattr(self.velocity, "score", None))),
            f"FlowSDE needs a score, which {type(self.velocity).__name__} does not have; give score=..., a function of "
            "x, t and cond, or the affine path of a model whose source is independent of its data",
            Incompatible,
        )

    @property
    def span(self) -> tuple[float, float]:
        """The times at which both the velocity and the score are regular."""
        if not isinstance(self.score, AffinePath):
            return span_of(self.velocity, self._own_score if self.score is None else self.score)
        low, high = span_of(self.velocity)
        start, stop = regular(self.score, sigma=True)
        return (max(low, start), min(high, stop))

    def level(self, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """eps at times `t`, `[B]`."""
        if not callable(self.eps):
            return torch.full_like(t, self.eps)
        level = self.eps(t)
        if not isinstance(cast(Any, level), Tensor) or level.shape != t.shape:
            got = list(level.shape) if isinstance(cast(Any, level), Tensor) else type(level).__name__
            raise InvalidInput(f"eps gave {got} for times of shape {list(t.shape)}; return one number per time")
        return level

    def diffusion(self, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """sqrt(2 eps) at times `t`, `[B]`."""
        return (2 * self.level(t)).sqrt()

    def __call__(
        self, x: State, t: Float[Tensor, " b"], cond: Cond = None, *, direction: Float[Tensor, " b"] | None = None
    ) -> State:
        """The velocity; with a `direction` the drift of the equation that runs forwards (+1) or backwards (-1)."""
        if direction is None or (not callable(self.eps) and self.eps == 0):
            return self.velocity(x, t, cond)
        push = direction * self.level(t)
        at_once = getattr(self.velocity, "drift", None) if self.score is None else None
        if at_once is not None:
            return at_once(x, t, cond, push)
        v = self.velocity(x, t, cond)

        def drift(v: Tensor, s: Tensor) -> Tensor:
            e = align(push, v)  # without noise the score does not count, not even where it diverges
            return like(torch.where(e == 0, v, torch.addcmul(v.to(e.dtype), e, s.to(e.dtype))), v, s)

        return map_state(drift, v, self._score(v, x, t, cond))

    def _score(self, v: State, x: State, t: Tensor, cond: Cond) -> State:
        if isinstance(self.score, AffinePath):
            sigma = self.score.coeffs(t).sigma
            return map_state(lambda e: like(-e / align(sigma, e), e), self.score.estimate(v, x, t).x0)
        score = self._own_score if self.score is None else self.score
        return score(x, t, cond)

    @property
    def _own_score(self) -> Any:
        return cast(Any, self.velocity).score
