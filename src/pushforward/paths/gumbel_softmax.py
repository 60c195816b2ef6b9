"""Gumbel-softmax relaxations of symbols, whose temperature falls."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, Law, Pairs, Point, State, align, like, require
from pushforward.paths.on_simplex import ends_of, replicator, said
from pushforward.spaces import Concrete, Simplex

__all__ = ["GumbelSoftmax"]

SMALLEST = 1e-30  # coordinates below it count as it where logarithms are


@dataclass(frozen=True)
class GumbelSoftmax:
    r"""Noise in logits, to which the symbol is added with a weight that grows as a temperature falls.

    .. math:: x_t = \mathrm{softmax}\Big(\log x_0 + \Big(\frac1{T(t)} - \frac1{T_0}\Big) e_k\Big), \quad
              T(t) = T_0 e^{-\lambda t}, \qquad
              v(x, t) = \frac{\lambda}{T(t)}\, x \odot (\hat p - \langle \hat p, x\rangle), \quad
              \hat p_k = \mathrm P(x_1 = k \mid x_t = x)

    from the noise :math:`x_0 = \mathrm{softmax}(g / \tau)`, :math:`\tau = \beta T_0`, g Gumbel. In logits the motion is
    :math:`(\lambda / T)\, \hat p` alone, which `LogitLangevin` steps by. With :math:`A = e^{\beta (e^{\lambda t} - 1)}`

    .. math:: \mathrm P(k \mid x) \propto p_k \Big[\sum_i x_i^{-\tau} + (A - 1)\, x_k^{-\tau}\Big]^{-K}, \qquad
              \mathrm P(\arg\max x_t = k \mid k) = \frac{A}{A + K - 1}

    At t = 1 the state is no vertex (T = 0.498): read the answer off the posterior, `field.law(x, t).mode`.

    With `published`, the path of the paper, :math:`x_t = \mathrm{softmax}((e_k + g / \beta) / T(t))`. Its velocity
    is :math:`\lambda\, x \odot (\log x - \langle x, \log x \rangle)` whatever k, not the v above that the paper follows
    (derived): the symbol is the largest coordinate with the same chance :math:`e^\beta / (e^\beta + K - 1)` at all
    times, t = 0 included, where noise does not know it. So path and velocity do not belong together, and what is
    sampled is biased; it is here to compare.

    Source: Tang et al., Gumbel-Softmax Flow Matching with Straight-Through Guidance for Controllable Biological
        Sequence Generation (2025), https://arxiv.org/abs/2503.17361. Differs: the path, unless `published`; the
        velocity is the paper's, and the marginal one of the path above (derived).

    Args:
        temperature: T_0 > 0, that of the start.
        decay: lambda > 0.
        sharpness: beta > 0, one over the size of the noise.
        published: Whether to take the paper's path.

    Shapes: x0 and states `[B, *E, K]`, x1 symbols `[B, *E]` or one-hot vectors `[B, *E, K]`.
    Raises: `InvalidInput` for numbers that are not positive, and states of other shapes.

    Example:
        >>> path, half = GumbelSoftmax(), torch.tensor([[0.5, 0.5]])
        >>> path.sample(pf.core.Pairs((half, torch.tensor([1]))), torch.tensor([1.0])).x
        tensor([[0.1291, 0.8709]])
    """

    temperature: float = 10.0
    decay: float = 3.0
    sharpness: float = 2.0
    published: bool = False
    span = (0.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("temperature", "decay", "sharpness"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"GumbelSoftmax.{name} is {value}, expected a number > 0")

    @property
    def space(self) -> Simplex:
        """The simplex, with Gumbel-softmax noise of temperature tau."""
        return Simplex(reference=Concrete(self.sharpness * self.temperature))

    def rate(self, t: Tensor) -> Tensor:
        """lambda / T `[B]`: how fast the logit of the data grows."""
        return self.decay / self.temperature * torch.exp(self.decay * t)

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        x0, x1 = ends_of(pairs)
        logits, grown = x0.clamp_min(SMALLEST).log(), torch.exp(self.decay * t)
        if self.published:
            logits = align(grown, x0) * (logits + x1 / self.temperature)
        else:
            logits = logits + align(torch.expm1(self.decay * t) / self.temperature, x0) * x1
        return Point(like(logits.softmax(-1), x0), t, pairs)

    def velocity(self, point: Point) -> Tensor:
        """Conditional velocity; that of the path in either case."""
        x = cast(Tensor, point.x)
        if self.published:
            return like(self.decay * replicator(x.clamp_min(SMALLEST).log(), x), x)
        return like(align(self.rate(point.t), x) * replicator(ends_of(point.pairs)[1], x), x)

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal velocity from the posterior of every position; with `published` the paper's, which it is not."""
        probs, x = said(law.mean, x)
        return like(align(self.rate(t), x) * replicator(probs, x), x)

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """log p_t(x | k) for every symbol k, up to what all share."""
        tau, gain = self._law(x, t)
        powers = -tau * x.clamp_min(SMALLEST).log()
        extra = gain + torch.log(-torch.expm1(-gain))  # log(A - 1), for A of any size
        return -x.shape[-1] * torch.logaddexp(powers.logsumexp(-1, keepdim=True), extra + powers)

    def shares(self, k: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """softmax(log a - tau log x) for the symbols `k` as one-hot vectors `[B, *E, K]`: what the score is made of."""
        tau, gain = self._law(x, t)
        return (gain * k - tau * x.clamp_min(SMALLEST).log()).softmax(-1)

    def score(self, probs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        r"""The score in y = log x that a posterior means, against Lebesgue measure on logits up to a shift; of sum 0.

        .. math:: s_j = \tau \Big(K \sum_k \hat p_k\, \mathrm{softmax}_j(\log a^{(k)} - \tau y) - 1\Big), \qquad
                  \log a^{(k)} = (\beta (e^{\lambda t} - 1))\, e_k
        """
        return self.score_of(self.marginal_shares(probs, x, t), x, t)

    def score_of(self, shares: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """tau (K q - 1) for shares q."""
        return self._law(x, t)[0] * (x.shape[-1] * shares - 1)

    def marginal_shares(self, probs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        r"""q = sum_k phat_k softmax(log a^(k) - tau log x), of sum 1."""
        r, extra, total = self._weights(x, t)
        w = probs / (total + extra * r)
        return r * (w.sum(-1, keepdim=True) + extra * w)

    def posterior(self, shares: Tensor, x: Tensor, t: Tensor) -> Tensor:
        r"""The posterior that shares q mean, for t > 0 (derived; linear, so entries may be negative for other q).

        .. math:: w_j = \frac{q_j / r_j - W}{A - 1}, \quad W = \frac{\sum_j q_j / r_j}{A - 1 + K}, \quad
                  \hat p_j = w_j \Big(\sum_i r_i + (A - 1) r_j\Big), \qquad r_i = x_i^{-\tau}
        """
        r, extra, total = self._weights(x, t)
        ratio = shares / r
        mean = ratio.sum(-1, keepdim=True) / (extra + x.shape[-1])
        return (ratio - mean) / extra.clamp_min(torch.finfo(x.dtype).tiny) * (total + extra * r)

    def _law(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """tau and log A, aligned with `x`."""
        if self.published:
            tau = self.sharpness * self.temperature * torch.exp(-self.decay * t)
            return align(tau, x), torch.full_like(align(tau, x), self.sharpness)
        tau = torch.full_like(t, self.sharpness * self.temperature)
        return align(tau, x), align(self.sharpness * torch.expm1(self.decay * t), x)

    def _weights(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x_i^-tau up to a factor that makes their sum 1, A - 1, and that sum."""
        tau, gain = self._law(x, t)
        r = (-tau * x.clamp_min(SMALLEST).log()).softmax(-1).clamp_min(torch.finfo(x.dtype).tiny)
        return r, torch.expm1(gain), r.sum(-1, keepdim=True)
