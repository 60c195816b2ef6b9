"""Noise that is learned for a given density."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from pushforward.core import Gen, rand, require
from pushforward.inference.dequantisation.base import Draws

__all__ = ["Variational"]


class Variational(nn.Module):
    r"""Independent noise in every coordinate, whose place and width a network reads off the row.

    .. math:: y = x + h\,(2 u - 1), \qquad u = \mathrm{sigmoid}\big(m(x) + s(x)\,\ell\big), \qquad
              \ell = \mathrm{logit}\,v,\ v \sim U(0, 1)

              \log q = \sum_i \log\frac{v_i (1 - v_i)}{s_i\, u_i (1 - u_i)} - d \log(2h)

    It starts as `Uniform` exactly (m = 0, s = 1), which is why the noise inside is logistic and not normal. Trained by
    minimising `-log_bound(density, x, half, self)`, whose gradients go through the draw; the density stays as it is.

    Source: Ho et al., Flow++: Improving Flow-Based Generative Models with Variational Dequantization (ICML 2019),
        https://arxiv.org/abs/1902.00275. Differs: one logistic per coordinate in place of a flow, so what the density
        ties together within a cell is not followed.

    Args:
        shape: Event shape `E`.
        width: Of the network's hidden layer.
        largest: Bound of |m| and |log s|, which keeps draws off the edges; >= 1.

    Example:
        >>> y, log_q = Variational((2,))(torch.zeros(3, 2), half=0.5)
        >>> bool((log_q.abs() < 1e-5).all()), bool((y.abs() <= 0.5).all())
        (True, True)
    """

    def __init__(self, shape: Sequence[int], width: int = 64, largest: float = 4.0) -> None:
        super().__init__()
        require(largest >= 1, f"Variational needs largest >= 1, got {largest}")
        d = math.prod(shape)
        self.shape, self.width, self.largest = tuple(shape), width, largest
        self.layers = nn.Sequential(nn.Linear(d, width), nn.SiLU(), nn.Linear(width, 2 * d))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Float[Tensor, "b *e"], half: float, *, generator: Gen = None) -> Draws:
        """One draw for every row."""
        require(x.shape[1:] == self.shape, f"x has rows {list(x.shape[1:])}, expected {list(self.shape)}")
        flat = x.reshape(len(x), -1)
        mean, log_scale = (self.largest * torch.tanh(self.layers(flat) / self.largest)).chunk(2, 1)
        v = rand(flat.shape, flat, generator=generator)
        edge = torch.finfo(v.dtype).eps
        logit = torch.logit(v.clamp(edge, 1 - edge)).to(flat.dtype)
        a = mean + log_scale.exp() * logit
        terms = logsigmoid(logit) + logsigmoid(-logit) - logsigmoid(a) - logsigmoid(-a) - log_scale
        return Draws(x + half * (2 * a.sigmoid() - 1).reshape(x.shape), (terms - math.log(2 * half)).sum(1))
