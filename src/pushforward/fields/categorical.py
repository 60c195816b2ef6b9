"""Independent symbols."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Gen, InvalidInput, State, categorical, shapes

__all__ = ["Categorical"]


class Categorical(NamedTuple):
    r"""A law of symbols, every position independent of the others given what the network saw.

    .. math:: \log p(y) = \sum_i \log \mathrm{softmax}(\ell_i)_{y_i}

    Shapes: `logits` `[B, *E, V]`, targets `[B, *E]` int64; -inf rules a symbol out. `mean` is that of one-hot vectors,
        the probabilities `[B, *E, V]`.

    Example:
        >>> Categorical(torch.zeros(1, 3, 2)).log_prob(torch.tensor([[0, 1, 1]]))
        tensor([-2.0794])
    """

    logits: Tensor

    @classmethod
    def at(cls, x: Tensor, size: int) -> "Categorical":
        """All mass on `x`."""
        return cls(one_hot(x, size).to(torch.get_default_dtype()).log())

    @property
    def log_probs(self) -> Tensor:
        """Log-probabilities `[B, *E, V]`, in float32 at least."""
        return self.logits.to(torch.promote_types(self.logits.dtype, torch.float32)).log_softmax(-1)

    @property
    def mean(self) -> Tensor:
        """Probabilities `[B, *E, V]`."""
        return self.logits.to(torch.promote_types(self.logits.dtype, torch.float32)).softmax(-1)

    @property
    def mode(self) -> Tensor:
        """The likeliest symbols `[B, *E]`."""
        return self.logits.argmax(-1)

    def log_prob(self, y: State) -> Tensor:
        """Log-probability `[B]` of whole rows, in nats."""
        return self._rows(y).sum(1)

    def loss(self, target: State) -> Tensor:
        """Cross-entropy `[B]`, mean over positions."""
        return -self._rows(target).mean(1)

    def _rows(self, y: State) -> Tensor:
        if not isinstance(y, Tensor) or y.shape != self.logits.shape[:-1]:
            raise InvalidInput(
                f"the network gave shape {shapes(self.logits)} for symbols of shape {shapes(y)}; let it return one "
                "logit per position and symbol, [B, *E, V]"
            )
        return self.log_probs.gather(-1, y[..., None]).flatten(1)

    def sample(self, *, generator: Gen = None) -> Tensor:
        """One draw for every row, `[B, *E]`."""
        return categorical(self.mean, generator=generator)

    def tempered(self, temperature: float | Tensor) -> "Categorical":
        """The law with probabilities to the power 1 / temperature."""
        return Categorical(self.logits / temperature)
