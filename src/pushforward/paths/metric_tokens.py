"""Token paths that come nearer to their data by a distance between symbols."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pushforward.core import (
    Gen,
    Incompatible,
    InvalidInput,
    Law,
    Pairs,
    Point,
    Probabilities,
    Space,
    State,
    align,
    categorical,
    require,
    require_part,
    shapes,
)
from pushforward.spaces import Tokens

__all__ = ["MetricTokens"]

COLDEST = 1e8  # beta at t = 1, in units of the smallest distance


class MetricTokens(nn.Module):
    r"""A law that narrows around the data symbol, with the rates of least kinetic energy.

    .. math:: p_t(x \mid x_1) = \mathrm{softmax}_x\big(-\beta_t\, d(x, x_1)\big), \qquad
              \beta_t = c \Big(\frac{t}{1 - t}\Big)^{a}

    Of all rates that generate a path of laws, the kinetic-optimal ones carry no mass back and forth:

    .. math:: u_t(y, x \mid x_1) = \frac{[p_t(x)\, \dot p_t(y) - \dot p_t(x)\, p_t(y)]_+}{p_t(x)}
              = p_t(y)\, \Big[\tfrac{d}{dt}\log p_t(y) - \tfrac{d}{dt}\log p_t(x)\Big]_+
              = p_t(y)\, \beta'_t\, [d(x, x_1) - d(y, x_1)]_+

    (the last step derived). A symbol jumps only to symbols that are nearer to its data: pixel values pass through their
    neighbours, where `Mixture` jumps at once. x0 is uniform and independent; its draw is not read.

    Source: Shaul et al., Flow Matching with General Discrete Paths: A Kinetic-Optimal Perspective (ICLR 2025),
        https://arxiv.org/abs/2412.03487.

    Args:
        space: The symbols, without the mask.
        distance: d, `[vocab, vocab]`: >= 0, and 0 exactly on the diagonal.
        scale: c > 0, in units of 1 / d.
        power: a >= 1; below it the speed at t = 0 is infinite.

    Shapes: anchors and states `[B, *E]` int64, times `[B]`; motions `[B, *E, vocab]`. Rates of a law take memory
        B |E| vocab^2.
    Raises: `Incompatible` for other spaces and with the mask; `InvalidInput` for a table that is no distance.

    Example:
        >>> symbols = torch.arange(4.0)
        >>> path = MetricTokens(pf.spaces.Tokens(4), (symbols[:, None] - symbols).abs())
        >>> path.likelihood(torch.tensor([[1]]), torch.tensor([0.0]))
        tensor([[[0.2500, 0.2500, 0.2500, 0.2500]]])
    """

    distance: Tensor

    def __init__(self, space: Space, distance: Tensor, *, scale: float = 1.0, power: float = 1.0) -> None:
        super().__init__()
        require_part("MetricTokens.space", space, Tokens, "the space of its symbols, as Tokens(27)")
        self.space, tokens = space, cast(Tokens, space)
        require(not tokens.mask, f"the mask has no distance to other symbols, got {tokens}; use Mixture", Incompatible)
        off = ~torch.eye(tokens.vocab, dtype=torch.bool, device=distance.device)
        require(
            distance.shape == (tokens.vocab, tokens.vocab)
            and bool((distance[off] > 0).all() & (distance.diagonal() == 0).all() & distance.isfinite().all()),
            f"distance has shape {list(distance.shape)}, expected [{tokens.vocab}, {tokens.vocab}] with zeros on the "
            "diagonal and finite positive numbers off it",
        )
        require(scale > 0 and power >= 1, f"got scale={scale} and power={power}, expected scale > 0 and power >= 1")
        self.scale, self.power = scale, power
        self.register_buffer("distance", distance)
        self._coldest = COLDEST / float(distance[off].min())

    @property
    def tokens(self) -> Tokens:
        """The space, by its own name."""
        return cast(Tokens, self.space)

    def beta(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """beta and its derivative, both `[B]`; held before t = 1."""
        rest = (1 - t).clamp_min(torch.finfo(t.dtype).eps)
        odds = t / rest
        beta = self.scale * odds**self.power
        slope = self.scale * self.power * odds ** (self.power - 1) / rest.square()
        return beta.clamp_max(self._coldest), slope

    def laws(self, t: Tensor) -> Float[Tensor, "b vocab vocab"]:
        """p_t(x | x1), x first."""
        return (-self.beta(t)[0][:, None, None] * self.distance).softmax(1)

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given x1."""
        x1 = pairs.x1
        if not isinstance(x1, Tensor) or x1.is_floating_point():
            raise InvalidInput(f"got x1 {shapes(x1)}, expected int64 symbols [B, *E]")
        return Point(categorical(self._given(x1, t), generator=generator), t, pairs)

    def velocity(self, point: Point) -> Tensor:
        """Kinetic-optimal rates given x1."""
        x, x1 = cast(Tensor, point.x), cast(Tensor, point.pairs.x1)
        nearer = (self.distance[x, x1][..., None] - self.distance.T[x1]).clamp_min(0.0)
        return self._balanced(align(self.beta(point.t)[1], nearer) * self._given(x1, point.t) * nearer, x)

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal rates: the mean of those over the posterior of x1, position by position."""
        x, probs = cast(Tensor, x), cast(Tensor, law.mean)
        require(
            probs.shape == (*x.shape, self.tokens.vocab),
            f"a law of shape {list(probs.shape)} for symbols {list(x.shape)}, expected {[*x.shape, self.tokens.vocab]}",
        )
        nearer = (self.distance[x][..., None, :] - self.distance).clamp_min(0.0)  # [B, *E, y, x1]
        laws = self.laws(t).to(probs.dtype)
        laws = laws.reshape(len(x), *(1,) * (x.ndim - 1), *laws.shape[1:])
        rates = (laws * nearer * probs[..., None, :]).sum(-1)
        return self._balanced(align(self.beta(t)[1], rates) * rates, x)

    def likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        r"""p_t(x^i | x1^i = k) for every symbol k of data, `[B, *E, vocab]`."""
        row = torch.arange(len(x), device=x.device).reshape(-1, *(1,) * (x.ndim - 1))
        return self.laws(t)[row, x]

    def bregman(self, log_probs: Tensor, point: Point) -> Tensor:
        r"""Divergence `[B]` of the conditional rates u from those of a law of x1, v, summed over positions.

        .. math:: \sum_i \sum_{y \ne x^i} u \log\frac uv - u + v
        """
        x = cast(Tensor, point.x)
        u, v = self.velocity(point), self.drift(Probabilities(log_probs.exp()), x, point.t)
        tiny = torch.finfo(v.dtype).tiny
        terms = torch.special.xlogy(u, u.clamp_min(tiny) / v.clamp_min(tiny)) - u + v
        return terms.scatter(-1, x[..., None], 0.0).flatten(1).sum(1)

    def _given(self, x1: Tensor, t: Tensor) -> Tensor:
        """p_t(. | x1) of every position, `[B, *E, vocab]`."""
        row = torch.arange(len(x1), device=x1.device).reshape(-1, *(1,) * (x1.ndim - 1))
        return self.laws(t).mT[row, x1]

    def _balanced(self, rates: Tensor, x: Tensor) -> Tensor:
        """With what leaves on the diagonal."""
        return rates - rates.sum(-1, keepdim=True) * one_hot(x, self.tokens.vocab)
