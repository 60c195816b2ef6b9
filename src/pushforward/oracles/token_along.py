"""The exact field of a law of tokens."""

from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pushforward.core import Cond, Law, Probabilities, State, align, require
from pushforward.spaces import Tokens

__all__ = ["TokenAlong", "TokenPath"]


@runtime_checkable
class TokenPath(Protocol):
    """A path whose positions are independent given x1, and that knows their law."""

    @property
    def tokens(self) -> Tokens:
        """Its symbols."""
        ...

    def likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """p_t(x^i | x1^i = k), `[B, *E, vocab]`."""
        ...

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal rates `[B, *E, size]`."""
        ...


class TokenAlong(nn.Module):
    r"""A table of data along a path: posterior, rates and marginals, exact.

    .. math:: \mathrm P(x_1 = k \mid x_t = x) = \frac{T_k \prod_i p_t(x^i \mid k_i)}{p_t(x)}, \qquad
              p_t(x) = \sum_k T_k \prod_i p_t(x^i \mid k_i)

    It is the perfect network: `along(x, t)` gives the logits of every position, so that `NetField(along, Logits(),
    path)` is the exact field, with all that can be done with a trained one.

    Args:
        table: T, `[K, ..., K]`.
        path: From the noise of its space to the data.

    Shapes: `x` `[B, N]`, `t` `[B]`; logits `[B, N, K]`.
    """

    table: Tensor

    def __init__(self, table: Tensor, path: TokenPath) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.path = path

    def forward(self, x: Tensor, t: Tensor | float, cond: Cond = None) -> Float[Tensor, "b n k"]:
        """Log-probabilities of every position's x1 given the whole of x."""
        return self.posterior(x, t).log()

    def posterior(self, x: Tensor, t: Tensor | float) -> Float[Tensor, "b n k"]:
        """P(x1^i = k | x_t = x); where p_t(x) = 0, where a step of many jumps may lead, the marginals of the data."""
        joint = self._joint(x, t)
        impossible = joint.flatten(1).sum(1) == 0
        joint = torch.where(align(impossible, joint), self.table, joint)
        axes = list(range(1, joint.ndim))
        each = [joint.sum([a for a in axes if a != i]) if len(axes) > 1 else joint for i in axes]
        return torch.stack(each, 1) / joint.flatten(1).sum(1)[:, None, None]

    def source_posterior(self, x: Tensor, t: Tensor | float) -> Float[Tensor, "b n size"]:
        r"""P(x0^i = k | x_t = x) on a `Mixture`, by Bayes' rule.

        .. math:: \sum_j \mathrm P(x_1^i = j \mid x)\,
                  \frac{p_{\mathrm{src}}(k)\,(\kappa 1[x^i = j] + (1 - \kappa) 1[x^i = k])}{p_t(x^i \mid j)}
        """
        kappa = align(cast(Any, self.path).kappa(self._time(x, t))[0], x)[..., None, None]
        shown = one_hot(x, self.path.tokens.size)
        data, source = shown[..., : self.path.tokens.vocab, None], shown[..., None, :]
        joint = self.path.tokens.noise_probs(kappa) * (kappa * data + (1 - kappa) * source)
        seen = self._likelihood(x, t)
        share = torch.where(seen > 0, self.posterior(x, t) / seen, 0.0)
        return (share[..., None] * joint).sum(-2)

    def rates(self, x: Tensor, t: Tensor | float, cond: Cond = None) -> Float[Tensor, "b n size"]:
        """Marginal rates: the exact field."""
        return self.path.drift(Probabilities(self.posterior(x, t)), x, self._time(x, t))

    def marginal(self, x: Tensor, t: Tensor | float) -> Float[Tensor, " b"]:
        """p_t(x), the probability of a whole row."""
        return self._joint(x, t).flatten(1).sum(1)

    def _time(self, x: Tensor, t: Tensor | float) -> Tensor:
        return torch.as_tensor(t, dtype=self.table.dtype, device=x.device).expand(len(x))

    def _likelihood(self, x: Tensor, t: Tensor | float) -> Tensor:
        return self.path.likelihood(x, self._time(x, t))

    def _joint(self, x: Tensor, t: Tensor | float) -> Tensor:
        """P(x1 = k, x_t = x), `[B, K, ..., K]`."""
        n = self.table.ndim
        require(x.ndim == 2 and x.shape[1] == n, f"x has shape {list(x.shape)}, expected [B, {n}] as the table's axes")
        joint = self.table[None]
        for i, part in enumerate(self._likelihood(x, t).unbind(1)):
            joint = joint * part.reshape(len(x), *(len(self.table) if a == i else 1 for a in range(n)))
        return joint
