"""A blur of constant width."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Constant"]


@dataclass(frozen=True)
class Constant:
    r"""Noise of constant width around the path: what OT-CFM and I-CFM call sigma.

    .. math:: \gamma_t = \varsigma, \qquad \gamma\gamma' = 0

    Both ends are blurred: the field joins the source and the data, each convolved with N(0, scale^2 I).

    Source: Tong et al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport
        (TMLR 2024), https://arxiv.org/abs/2302.00482.

    Args:
        scale: Width, in data units, >= 0.
    """

    scale: float = 0.1

    def __post_init__(self) -> None:
        require(0 <= self.scale < math.inf, f"Constant needs a finite scale >= 0, got {self.scale}")

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """gamma and gamma gamma', each `[B]`."""
        return torch.full_like(t, self.scale), torch.zeros_like(t)
