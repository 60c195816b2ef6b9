"""Shifts of source and target that a condition decides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pushforward.core import (
    AffinePath,
    Cond,
    Field,
    Gen,
    Incompatible,
    Pairs,
    Path,
    State,
    align,
    drop_condition,
    like,
    require,
    span_of,
)
from pushforward.couplings._batch import check_rows, check_tensors
from pushforward.nets import ConditionEmbedding
from pushforward.nets.layers import zeroed

__all__ = ["CARFlow"]

MODES = ("source", "target", "joint")


class CARFlow(nn.Module):
    r"""Condition-aware reparameterisation: learned shifts of both ends, so that the network need not move the classes.

    .. math:: z_0 = x_0 + \mu_0(c), \qquad z_1 = x_1 + \mu_1(c)

    The network learns on the path of (z0, z1), with gradients to the shifts through z_t and the target. Only shifts: a
    learned map of an end, or just its scale, has zero-loss solutions that generate nothing (a constant end, or a scale
    that grows without bound), while the least loss of flow matching does not depend on shifts at all. They start at
    zero, hence as plain flow matching, bit for bit. There is no penalty.

    With :math:`m_t = \alpha_t \mu_1 + \sigma_t \mu_0` we have :math:`z_t = x_t + m_t`, so that the field of the data's
    own coordinates is (derived)

    .. math:: v(x, t, c) = v_z(x + m_t(c), t, c) - \dot m_t(c)

    `field` gives this one: sampling starts from the plain source and ends at x1, and likelihoods, both directions and
    guidance need to know nothing of the shifts. In z-coordinates guidance would mix two fields of different shifts.

    Source: Chen et al., CAR-Flow: Condition-Aware Reparameterization Aligns Source and Target for Better Flow Matching
        (NeurIPS 2025), https://arxiv.org/abs/2509.19300. Differs: the paper samples in z and subtracts
        :math:`\mu_1(c)` at the end; on straight paths the two agree step for step. Its table of collapses prints a
        wrong velocity for two constant ends: for z0 = a, z1 = k a it is (k - 1) a.

    Args:
        shape: Event shape.
        classes: Number of labels; or
        features: size of a vector condition.
        mode: Which end moves: source, target or joint. The first two differ (one enters with sigma, one with alpha).
        width: Size of the embedding of the condition, of which the shifts are linear maps; a shift learns about as many
            times faster, so that it keeps pace with the network.
        cond_drop: Probability of replacing a row's condition by the null condition, before it is shifted: null has
            shifts of its own.

    Shapes: `x0`, `x1` `[B, *shape]`; the penalty is `[B]`, zeros.
    Raises: `InvalidInput` for an unknown mode, or a `cond_drop` outside [0, 1]; `Incompatible` for data without a
        condition, and on a path that has no alpha and sigma. Called without a condition it shifts as for null.

    Example:
        >>> pairs = CARFlow((2,), classes=3)(torch.zeros(4, 2), torch.ones(4, 2), torch.tensor([0, 1, 2, -1]))
        >>> pairs.x1[0]
        tensor([1., 1.], grad_fn=<SelectBackward0>)
    """

    reads_noise = False

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        mode: Literal["source", "target", "joint"] = "joint",
        width: int = 32,
        cond_drop: float = 0.0,
    ) -> None:
        super().__init__()
        require(
            classes is not None or features is not None,
            "CARFlow shifts by the condition, and these data have none; give classes or features, or leave it out",
            Incompatible,
        )
        require(mode in MODES, f"mode is {mode!r}, expected one of {', '.join(MODES)}")
        require(0 <= cond_drop <= 1, f"cond_drop is a probability, got {cond_drop}; choose one in [0, 1]")
        require(width >= 1, f"width is {width}, expected at least 1")
        self.shape, self.mode, self.cond_drop, self.width = tuple(shape), mode, cond_drop, width
        self.embed = ConditionEmbedding(width, classes=classes, features=features)

        def shift(end: str) -> nn.Module | None:
            return zeroed(nn.Linear(width, math.prod(self.shape))) if mode in (end, "joint") else None

        self.mu0, self.mu1 = shift("source"), shift("target")

    def shifts(self, x: Tensor, cond: Cond) -> tuple[Tensor, Tensor]:
        """mu0(c) and mu1(c), `[B, *shape]`."""
        h = self.embed(x.new_zeros(len(x), self.width), cond)
        zero = torch.zeros_like(x)
        first, last = (zero if mu is None else like(mu(h), x).reshape(x.shape) for mu in (self.mu0, self.mu1))
        return first, last

    def pair_and_penalty(
        self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None
    ) -> tuple[Pairs, Tensor]:
        """The shifted pairs, and zeros."""
        check_rows(x0, x1, cond)
        source, data = check_tensors(x0, x1, self.shape)
        cond = drop_condition(cond, self.cond_drop, generator=generator)
        mu0, mu1 = self.shifts(data, cond)
        return Pairs((source + mu0, data + mu1), cond=cond), data.new_zeros(len(data))

    def forward(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """The pairs alone."""
        return self.pair_and_penalty(x0, x1, cond, generator=generator)[0]

    def check(self, path: Path | None) -> None:
        """Raise `Incompatible` unless the path is affine."""
        name = type(path).__name__
        require(isinstance(path, AffinePath), f"CARFlow needs a path with alpha and sigma, got {name}", Incompatible)

    def field(self, field: Field, path: Path) -> Field:
        """A field of z as one of x."""
        assert isinstance(path, AffinePath)
        return _Unshifted(field, self, path)

    def source(self, cond: Cond) -> None:
        """The space's own noise: `field` takes the shift away."""


@dataclass(frozen=True)
class _Unshifted:
    """v(x, t, c) = v_z(x + m_t(c), t, c) - m_t'(c)."""

    inner: Field
    coupling: CARFlow
    path: AffinePath

    @property
    def span(self) -> tuple[float, float]:
        """That of the field inside."""
        return span_of(self.inner)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        assert isinstance(x, Tensor)
        mu0, mu1 = self.coupling.shifts(x, cond)
        alpha, sigma, d_alpha, d_sigma = (align(c, x) for c in self.path.coeffs(t))
        v = self.inner(like(x + (alpha * mu1 + sigma * mu0), x), t, cond)
        assert isinstance(v, Tensor)
        return like(v - (d_alpha * mu1 + d_sigma * mu0), v)
