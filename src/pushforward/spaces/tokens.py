"""Token sequences."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, batch_size, categorical, event_size, leaves, map_state, rand, require

__all__ = ["Tokens"]


@dataclass(frozen=True)
class Tokens:
    r"""Sequences (or grids) of symbols, which move by jumps.

    A motion is a row of rates for every position: :math:`u(y, x^i)` is the speed at which position i jumps from what it
    is to y; what stands at y = x does not count. In a time h, positions independent of each other,

    .. math:: \mathrm P(\text{jump}) = 1 - e^{-h \lambda}, \qquad \lambda = \sum_{y \ne x^i} [u(y, x^i)]_+, \qquad
              \mathrm P(y \mid \text{jump}) = [u(y, x^i)]_+ / \lambda

    Never the linear h lambda, which exceeds 1 where rates are high. Backwards (h < 0) the rates that count are those
    below 0, as a backward velocity has them.

    Source: Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595. Differs: the paper's
        step is the linear one.

    Args:
        vocab: Number K of symbols of data, 0 to K - 1; >= 2.
        mask: Whether there is one more symbol, number K, which stands for "not known yet". Then noise is all mask, and
            uniform on the symbols otherwise.

    Shapes: states `[B, *E]` int64, motions `[B, *E, size]` with `size` = K, or K + 1 with the mask, `dt` `[B]`.
    Raises: `InvalidInput` for fewer than two symbols, and for rates of another shape.

    Example:
        >>> x, rates = torch.tensor([[0, 1]]), torch.tensor([[[-9.0, 9.0], [0.0, 0.0]]])
        >>> Tokens(2).move(x, rates, torch.tensor([100.0]))
        tensor([[1, 1]])
    """

    vocab: int
    mask: bool = False

    def __post_init__(self) -> None:
        require(self.vocab >= 2, f"Tokens needs at least two symbols, got vocab={self.vocab}")

    @property
    def size(self) -> int:
        """Number of symbols, the mask included."""
        return self.vocab + self.mask

    def chances(self, x: Tensor, u: Tensor, dt: Tensor) -> Tensor:
        """Where a position is after `dt`: probabilities `[B, *E, size]`."""
        leave = self._leave(x, u, dt)
        total = leave.sum(-1, keepdim=True)
        jump = -torch.expm1(-total)
        tiny = torch.finfo(leave.dtype).tiny
        return (jump * leave / total.clamp_min(tiny)).scatter(-1, x[..., None], 1 - jump)

    def _leave(self, x: Tensor, u: Tensor, dt: Tensor) -> Tensor:
        """Expected jumps to every other symbol within `dt`."""
        require(
            u.shape == (*x.shape, self.size),
            f"the motion has shape {list(u.shape)}, expected rates {[*x.shape, self.size]}, one for every symbol",
        )
        return (align(dt, u) * u).clamp_min(0.0).scatter(-1, x[..., None], 0.0)

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """One draw of where `x` is after `dt`."""

        def jumped(p: Tensor, q: Tensor) -> Tensor:
            leave = self._leave(p, q, dt)
            chance = -torch.expm1(-leave.sum(-1))
            jump = rand(p.shape, chance, generator=generator) < chance
            return torch.where(jump, categorical(leave, generator=generator), p)

        return map_state(jumped, x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Uniform symbols, or masks."""
        if self.mask:
            return map_state(lambda p: torch.full_like(p, self.vocab, dtype=torch.int64), like)

        def uniform(p: Tensor) -> Tensor:
            home = p.device if generator is None else generator.device
            return torch.randint(self.vocab, p.shape, generator=generator, device=home).to(p.device)

        return map_state(uniform, like)

    def noise_probs(self, like: Tensor) -> Tensor:
        """The law of a symbol of noise, `[size]`, with the device and dtype of `like`."""
        if self.mask:
            return torch.eye(self.size, device=like.device, dtype=like.dtype)[self.vocab]
        return torch.full((self.vocab,), 1.0 / self.vocab, device=like.device, dtype=like.dtype)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-probability `[B]` of noise, in nats."""
        if not self.mask:
            return torch.full((batch_size(x),), -event_size(x) * math.log(self.vocab), device=leaves(x)[0].device)
        away = torch.stack([(leaf != self.vocab)[..., None].flatten(1).any(1) for leaf in leaves(x)]).any(0)
        return torch.zeros(len(away), device=away.device).masked_fill(away, -math.inf)
