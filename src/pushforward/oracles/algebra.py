"""The few lines of linear algebra that the oracles share."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["Values", "average", "log_gaussian", "pick", "spectral", "symmetric", "to_tensor"]

Values: TypeAlias = Tensor | np.ndarray | Sequence[Any]


def to_tensor(name: str, value: Values, like: Tensor | None = None) -> Tensor:
    """`value` as a finite floating tensor of its own memory: like `like`, or as it comes with numbers as float64."""
    try:
        out = value.clone() if isinstance(value, Tensor) else torch.tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} is not a rectangular array of numbers; give equally long rows of floats") from error
    if like is not None:
        out = out.to(like)
    elif not out.is_floating_point():
        out = out.double()
    require(bool(out.isfinite().all()), f"{name} has NaN or infinite entries, expected finite numbers; remove them")
    return out


def symmetric(matrix: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
    """The symmetric part, which rounding may have left."""
    return (matrix + matrix.mT) / 2


def spectral(matrix: Float[Tensor, "*b d d"], function: Callable[[Tensor], Tensor]) -> Float[Tensor, "*b d d"]:
    """`function` of a symmetric positive semi-definite matrix: applied to its eigenvalues, clipped at 0."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * function(values.clamp_min(0.0))[..., None, :]) @ vectors.mT


def log_gaussian(residual: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """C^-1 r `[..., d]` and log N(r; 0, C) `[...]`, in nats, for residuals `[..., d]` and Cholesky factors of C."""
    q = torch.cholesky_solve(residual[..., None], factor)[..., 0]
    half_log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = residual.shape[-1] * math.log(2 * math.pi) / 2
    return q, -(residual * q).sum(-1) / 2 - half_log_det - constant


def average(r: Float[Tensor, "b k"], values: Float[Tensor, "b k *e"]) -> Float[Tensor, "b *e"]:
    """Mean over the components, weighed with `r`."""
    return (r.reshape(r.shape + (1,) * (values.ndim - 2)) * values).sum(1)


def pick(probabilities: Float[Tensor, "*b k"], uniform: Float[Tensor, " n"]) -> Tensor:
    """Component indices `[n]` by inversion: one law for all draws `[K]`, or one for each `[n, K]`."""
    above = uniform[:, None] >= probabilities.cumsum(-1)
    return above.sum(-1).clamp_max(probabilities.shape[-1] - 1)  # the last sum may round to less than 1
