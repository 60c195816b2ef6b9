"""The mixture path of token sequences."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from pushforward.core import (
    Gen,
    InvalidInput,
    Law,
    Pairs,
    Point,
    Schedule,
    Space,
    State,
    align,
    rand,
    require,
    require_part,
    same_shape,
    shapes,
)
from pushforward.paths.schedules import CondOT
from pushforward.spaces import Tokens

__all__ = ["Mixture"]

ENDS = 1e-4  # how far kappa may be from 0 and 1 at its ends
BISECTIONS = 60


@dataclass(frozen=True)
class Mixture:
    r"""Every position shows its source until a random time, its data from then on.

    .. math:: x_t^i = x_1^i \text{ with probability } \kappa_t, \text{ else } x_0^i, \qquad
              u_t(y, x) = \frac{\kappa'_t}{1 - \kappa_t} \big[\mathrm P(x_1^i = y \mid x_t = x) - \delta_{x^i}(y)\big]

    Rates of the marginal chain follow from the posterior of each position alone. The same marginals, backwards:

    .. math:: \check u_t(y, x) = \frac{\kappa'_t}{\kappa_t}
              \big[\delta_{x^i}(y) - \mathrm P(x_0^i = y \mid x_t = x)\big]

    With the mask in the space, a symbol that is no mask is data: it stays, and no network is asked about it (the
    posterior of a chain that starts at the mask). Sources may then be masked in part, each symbol that is shown being
    that of its x1. For other sources, paired or not, leave the mask out.

    Source: Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595; that shown symbols
        stay: Sahoo et al., Simple and Effective Masked Diffusion Language Models (NeurIPS 2024),
        https://arxiv.org/abs/2406.07524.

    Args:
        space: The symbols, and what noise is.
        schedule: kappa is its alpha, from 0 to 1; its sigma is not used.

    Shapes: anchors and states `[B, *E]` int64, times `[B]`; motions `[B, *E, size]`. A law of x1 has a `mean`
        `[B, *E, vocab]` of probabilities, none for the mask; a law of x0 one of `size`.
    Raises: `Incompatible` for other spaces; `InvalidInput` for a schedule that does not run from 0 to 1, and for laws
        of other sizes.

    Example:
        >>> path = Mixture(Tokens(3, mask=True))
        >>> pairs = Pairs((torch.tensor([[3, 3]]), torch.tensor([[0, 2]])))
        >>> path.sample(pairs, torch.tensor([1.0])).x
        tensor([[0, 2]])
    """

    space: Space
    schedule: Schedule = field(default_factory=CondOT)

    def __post_init__(self) -> None:
        require_part("Mixture.space", self.space, Tokens, "the space of its symbols, as Tokens(27)")
        require_part("Mixture.schedule", self.schedule, Schedule, "times to alpha and more, as Polynomial(2)")
        first, last = self.schedule(torch.tensor([0.0, 1.0], dtype=torch.float64)).alpha.tolist()
        require(
            abs(first) < ENDS and abs(last - 1) < ENDS,
            f"kappa runs from {first:.3g} to {last:.3g} on {type(self.schedule).__name__}, expected 0 to 1; give a "
            "schedule such as CondOT() or Polynomial(2)",
        )

    @property
    def tokens(self) -> Tokens:
        """The space, by its own name."""
        return cast(Tokens, self.space)

    def kappa(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """kappa and its derivative, both `[B]`."""
        c = self.schedule(t)
        return c.alpha, c.d_alpha

    def time_at(self, kappa: Tensor) -> Tensor:
        """The time at which kappa is what is given in [0, 1], by bisection to the last bit of float64."""
        low, high = torch.zeros_like(kappa, dtype=torch.float64), torch.ones_like(kappa, dtype=torch.float64)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.kappa(middle)[0] < kappa
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    def hazard(self, t: Tensor) -> Tensor:
        """kappa' / (1 - kappa) `[B]`, the rate at which a position that shows its source jumps; held at t = 1."""
        k, dk = self.kappa(t)
        return dk / (1 - k).clamp_min(torch.finfo(k.dtype).eps)

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        x0, x1 = pairs.x0, pairs.x1
        if not (same_shape(x0, x1) and isinstance(x0, Tensor) and isinstance(x1, Tensor)) or x1.is_floating_point():
            kinds = [x.dtype if isinstance(x, Tensor) else "a mapping" for x in (x0, x1)]
            raise InvalidInput(
                f"got x0 {shapes(x0)} ({kinds[0]}) and x1 {shapes(x1)} ({kinds[1]}), expected int64 symbols of one "
                "shape [B, *E]; give them as they are, not standardised"
            )
        moved = rand(x1.shape, t, generator=generator) < align(self.kappa(t)[0], x1)
        return Point(torch.where(moved, x1, x0), t, pairs)

    def velocity(self, point: Point) -> Tensor:
        """Rates given both ends: to x1, and nowhere else."""
        x, x1 = cast(Tensor, point.x), cast(Tensor, point.pairs.x1)
        change = one_hot(x1, self.tokens.size) - one_hot(x, self.tokens.size)
        return align(self.hazard(point.t), change) * change

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal rates from the posterior of x1, position by position."""
        x = cast(Tensor, x)
        change = self.posterior(cast(Tensor, law.mean), x) - one_hot(x, self.tokens.size)
        return align(self.hazard(t), change) * change

    def backward(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Rates of the way back, from the posterior of x0; below 0 off the diagonal, for steps with dt < 0."""
        x, probs = cast(Tensor, x), cast(Tensor, law.mean)
        self._check(probs, x, self.tokens.size)
        k, dk = self.kappa(t)
        change = one_hot(x, self.tokens.size) - probs
        return align(dk / k.clamp_min(torch.finfo(k.dtype).eps), change) * change

    def posterior(self, probs: Tensor, x: Tensor) -> Tensor:
        """The law of x1 over all symbols `[B, *E, size]`, from one of `vocab`: none is the mask, shown ones stay."""
        self._check(probs, x, self.tokens.vocab)
        if not self.tokens.mask:
            return probs
        masked = (x == self.tokens.vocab)[..., None]
        return torch.where(masked, pad(probs, (0, 1)), one_hot(x, self.tokens.size).to(probs.dtype))

    def likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        r"""p_t(x^i | x1^i = k) for every symbol k of data, `[B, *E, vocab]`; the source is the space's own noise."""
        k = align(self.kappa(t)[0], x)[..., None]
        noise = self.tokens.noise_probs(k)[x][..., None]
        return k * one_hot(x, self.tokens.size)[..., : self.tokens.vocab] + (1 - k) * noise

    def gap(self, log_probs: Tensor, point: Point) -> Tensor:
        r"""The Bregman divergence of the rates over the hazard, `[B]`, summed over positions.

        .. math:: \sum_i 1[x_t^i \ne x_1^i]\,(-\log p_i(x_1^i)) + 1[x_t^i = x_1^i] - p_i(x_t^i)

        of log-probabilities `[B, *E, vocab]` for x1; times d kappa / (1 - kappa) it integrates to a bound on
        -log p(x1), whatever the schedule.
        """
        x, x1 = cast(Tensor, point.x), cast(Tensor, point.pairs.x1)
        self._check(log_probs, x, self.tokens.vocab)
        away = x != x1
        said = log_probs.gather(-1, x1[..., None])[..., 0]
        if self.tokens.mask:  # what is shown has nothing to say
            rows = torch.where(away, -said, 0.0)
        else:
            stay = log_probs.gather(-1, x[..., None])[..., 0]
            rows = torch.where(away, -said - stay.exp(), -torch.expm1(stay))
        return rows[..., None].flatten(1).sum(1)

    def bregman(self, log_probs: Tensor, point: Point) -> Tensor:
        r"""Divergence `[B]` of the conditional rates u from those that follow from `log_probs`, v, over positions.

        .. math:: \sum_i \sum_{y \ne x^i} u \log\frac uv - u + v
        """
        return self.hazard(point.t) * self.gap(log_probs, point)

    def _check(self, probs: Tensor, x: Tensor, size: int) -> None:
        require(
            probs.shape == (*x.shape, size),
            f"a law of shape {list(probs.shape)} for symbols {list(x.shape)}, expected {[*x.shape, size]}; the network "
            f"gives one number for each of {size} symbols" + ", none for the mask" * (size < self.tokens.size),
        )
