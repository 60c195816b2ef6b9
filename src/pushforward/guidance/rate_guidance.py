"""Classifier guidance of token sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Cond, Incompatible, State, require, span_of, take
from pushforward.fields import Categorical
from pushforward.guidance.extrapolation import check_scale
from pushforward.guidance.simplex import check_posterior
from pushforward.paths import Mixture

__all__ = ["RateGuidance"]

ROWS = 2048  # sequences that the classifier is given at once
CERTAIN = 60.0  # log of a rate over the hazard beyond which a jump is certain and only proportions count


@dataclass(frozen=True)
class RateGuidance:
    r"""Multiplies the rate of every jump by how much likelier it makes the wish.

    .. math:: u^g_t(\tilde x, x) = u_t(\tilde x, x)\,
              \Big[\frac{p(y \mid \tilde x, t)}{p(y \mid x, t)}\Big]^g \quad (\tilde x \ne x)

    Sequences differ from x in one position; each that may jump asks the classifier for every symbol, V times the number
    of masks and one. With `taylor` one gradient answers all, to first order,

    .. math:: \log p(y \mid \tilde x, t) - \log p(y \mid x, t) \approx
              \big\langle \nabla_{x^i} \log p(y \mid x, t),\ e_{\tilde x^i} - e_{x^i} \big\rangle

    At g = 1 the exact classifier of noisy states makes these the rates given y. Called, it gives the rates, which
    `Euler` follows. Its `law` has the same proportions, and a sum of 1 at every position, so that the wish decides what
    is shown and not when: for `ExactJump`. At g = 1 and with the exact classifier the sum is 1 by itself.

    From the mask only. The factor is that of Doob's transform, and right where p(y | x, t) is a martingale of the
    chain; under uniform noise that of the path is none (derived: the symbol that x shows at i tells less of y when it
    is known to be noise; on two symbols of three the rates are wrong by a tenth).

    Source: Nisonoff et al., Unlocking Guidance for Discrete State-Space Diffusion and Flow Models (ICLR 2025),
        https://arxiv.org/abs/2406.01572, with the Taylor-approximated guidance there. Differs: the law for exact jumps.

    Args:
        field: Says a law, as `NetField(net, Logits(), Mixture(Tokens(V, mask=True)))`.
        classifier: `classifier(x, t, cond)` gives log p(y | x, t) `[B]` of symbols `[B, *E]`, masks among them, each
            row by itself; with `taylor` it is given one-hot vectors `[B, *E, V + 1]` and is differentiable in them.
        scale: g, finite and >= 0; 0 is the field, bit for bit.
        taylor: Whether to take the gradient for the differences.

    Shapes: `x` `[B, *E]` int64, `t` `[B]`; the field and the classifier are given the same `cond`.
    Raises: `InvalidInput` for a negative or non-finite scale, and answers of another shape; `Incompatible` for fields
        that say no law, and for any path but `Mixture` from the mask.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.5, 0.5]).along(path), pf.fields.Logits(), path)
        >>> likes = torch.tensor([0.9, 0.1, 0.5])  # p(y | 0), p(y | 1), and of the mask their mean
        >>> guided = RateGuidance(field, lambda x, t, cond: likes[x[:, 0]].log(), 1.0)
        >>> guided.law(torch.tensor([[2]]), torch.zeros(1)).mean
        tensor([[[0.9000, 0.1000]]], dtype=torch.float64)
    """

    field: Any
    classifier: Callable[[Tensor, Tensor, Cond], Tensor]
    scale: float = 1.0
    taylor: bool = False

    def __post_init__(self) -> None:
        check_scale("RateGuidance", self.scale)
        check_posterior("RateGuidance", self.field)
        require(
            isinstance(self.path, Mixture) and self.path.tokens.mask,
            f"RateGuidance is exact for chains from the mask, got {self.path!r}; use Mixture(Tokens(..., mask=True))",
            Incompatible,
        )

    @property
    def path(self) -> Any:
        """The field's path."""
        return self.field.path

    @property
    def span(self) -> tuple[float, float]:
        """The times between which it may be followed: those of the field."""
        return span_of(self.field)

    def gains(self, x: Tensor, t: Tensor, cond: Cond = None) -> Tensor:
        """What showing a symbol adds to log p(y | x, t), `[B, *E, V]`; 0 where x shows one already."""
        return self._slopes(x, t, cond) if self.taylor else self._differences(x, t, cond)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """The guided law of the data."""
        if self.scale == 0:
            return self.field.law(x, t, cond)
        return Categorical(self._tilted(cast(Tensor, x), t, cond))

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided rates."""
        if self.scale == 0:
            return self.field(x, t, cond)
        x = cast(Tensor, x)
        tilted = self._tilted(x, t, cond)
        total = tilted.logsumexp(-1, keepdim=True)
        rates = self.path.drift(Categorical(tilted), x, t)
        return rates * total.clamp_max(CERTAIN).exp().to(rates.dtype)

    def _tilted(self, x: Tensor, t: Tensor, cond: Cond) -> Tensor:
        """log p(k | x) + g gains."""
        said = self.field.law(x, t, cond).log_probs
        return said + self.scale * self.gains(x, t, cond).to(said.dtype)

    def _differences(self, x: Tensor, t: Tensor, cond: Cond) -> Tensor:
        vocab = self.path.tokens.vocab
        before = self._asked(x, t, cond, len(x))
        flat = x.flatten(1)
        row, place = (flat == vocab).nonzero(as_tuple=True)
        row, place = row.repeat_interleave(vocab), place.repeat_interleave(vocab)
        symbol = torch.arange(vocab, device=x.device).repeat(len(row) // vocab)
        found = before.new_zeros(*flat.shape, vocab)
        for r, i, k in zip(row.split(ROWS), place.split(ROWS), symbol.split(ROWS), strict=True):
            shown = flat[r].clone()
            shown[torch.arange(len(r), device=x.device), i] = k
            after = self._asked(shown.reshape(len(r), *x.shape[1:]), t[r], take(cond, r), len(r))
            found[r, i, k] = after - before[r]
        return found.reshape(*x.shape, vocab)

    def _slopes(self, x: Tensor, t: Tensor, cond: Cond) -> Tensor:
        vocab = self.path.tokens.vocab
        with torch.enable_grad():
            at = one_hot(x, vocab + 1).to(torch.promote_types(t.dtype, torch.float32)).requires_grad_()
            (slope,) = torch.autograd.grad(self._asked(at, t, cond, len(x)).sum(), at)
        gain = slope[..., :vocab] - slope[..., vocab:]
        return torch.where((x == vocab)[..., None], gain, 0.0)

    def _asked(self, x: Tensor, t: Tensor, cond: Cond, rows: int) -> Tensor:
        said = self.classifier(x, t, cond)
        require(said.shape == (rows,), f"the classifier gave shape {list(said.shape)}, expected [{rows}], log p(y | x)")
        return said
