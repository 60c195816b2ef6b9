"""What solvers that reuse calls share: the polynomial through values that are there already, and its integral."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import State, align, like, map_state

__all__ = ["Value", "mix", "weights"]


class Value(NamedTuple):
    """What an evaluation gave (a slope, or E[x1 | x_t]), and its place `[B]` on the axis (t, or log alpha / sigma)."""

    place: Tensor
    value: State


def weights(nodes: Sequence[Tensor], points: Sequence[float], masses: Sequence[Tensor | float]) -> list[Tensor]:
    r"""Weights w of the nodes x with :math:`\int p\, d\mu = \sum_j w_j\, p(x_j)` for polynomials p of low degree.

    .. math:: w_j = \sum_q m_q\, L_j(\theta_q), \qquad L_j(\theta) = \prod_{m \ne j} \frac{\theta - x_m}{x_j - x_m}

    Row by row, a node that is not finite, or is the one before it again, is left out: it gets weight 0, and the degree
    is one lower in that row.

    Args:
        nodes: `[B]` each, rising or falling.
        points: Points of a rule that integrates every p of a degree below the number of nodes.
        masses: The masses of that rule, numbers or `[B]`.

    Returns: weights `[B]`, one for every node.
    """
    x = torch.stack(list(nodes))
    valid = x.isfinite() & torch.cat([torch.ones_like(x[:1], dtype=torch.bool), x[1:] != x[:-1]])
    x = torch.where(valid, x, 0.0)
    gap = x[:, None] - x
    skip = (gap == 0) | ~(valid & valid[:, None])  # with itself, and whoever is left out

    def product(factors: Tensor, dim: int) -> Tensor:
        """Over the nodes that are not skipped; one by one, as `prod` takes another order for other batch sizes."""
        return functools.reduce(torch.mul, torch.where(skip, 1.0, factors).unbind(dim))

    above = product(torch.stack([point - x for point in points])[:, None], 2)
    total = functools.reduce(torch.add, (mass * part for mass, part in zip(masses, above, strict=True)))
    return list(torch.where(valid, total / product(gap, 1), 0.0))


def mix(*terms: tuple[Tensor, State]) -> State:
    """Sum of states times factors `[B]`, worked out in the dtype of the factors and given in that of the states."""
    (first, x), *rest = terms

    def leaf(p: Tensor, *others: Tensor) -> Tensor:
        total = align(first, p) * p
        for (factor, _), q in zip(rest, others, strict=True):
            total = torch.addcmul(total, align(factor, q), q.to(total.dtype))
        return like(total, p, *others)

    return map_state(leaf, x, *(state for _, state in rest))
