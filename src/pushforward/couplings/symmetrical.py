"""Data and their labels, in opposite directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, Pairs, State, rand, randn, require
from pushforward.couplings._batch import check_rows, shapes

__all__ = ["Symmetrical"]


@dataclass(frozen=True)
class Symmetrical:
    r"""One flow for generation and recognition: its state is a pair, whose parts run in opposite directions.

    .. math:: (x_0, y_0) = (n_x, y), \qquad (x_1, y_1) = (x, n_y), \qquad n_x \perp n_y \sim N(0, I)

    States are mappings `{"data": ..., "label": ...}`, and there is no condition: one network (`nets.Joined`) on both
    parts says both velocities. From t = 0 to 1 the flow makes data of labels, from 1 to 0 labels of data:
    `transport(field, source(n_x, y))["data"]` and `decode(transport(field, target(x), reverse=True)["label"])`. A share
    lam of the loss for the data is `Velocity(shares={"data": lam, "label": 1 - lam})`. Configurations and `Flow` know
    tensors alone: train by `training.train(Joined(net), FlowMatching(), Feed(rows, coupling))`.

    A label k becomes a code, a box around it for a density, and both are scaled:

    .. math:: y = c\,\big(e_k + w\,(U - \tfrac12)\big), \qquad
              w < \min_{k \ne l} \frac{\|e_k - e_l\|_2^2}{\|e_k - e_l\|_1}

    so that the code nearest to y is e_k throughout its box (derived).

    The flow carries the law of (n_x, y) to that of (x, n_y), but what it makes of one y is not p(x | y), since y fades
    while x comes. For unit normal x and y of correlation rho the generated x has, with c = 1, correlation
    :math:`\sin\theta` with y, and so has the recognised y with x (derived: with C_t the covariance of both parts,
    the flow is :math:`C_t^{1/2}` times a rotation, whose speed is the antisymmetric part of
    :math:`C_t^{-1/2} \mathrm{Cov}(\dot x_t, x_t)\, C_t^{-1/2}`):

    .. math:: \theta = \int_0^1 \frac{\rho\, dt}{2 \sqrt{a_t^2 - \rho^2 t^2 (1 - t)^2}}, \qquad a_t = t^2 + (1 - t)^2,
              \qquad \sin\theta \approx \tfrac{\pi}{4} \rho \ \text{for small } \rho

    A large scale c closes the gap, since labels are then readable until the data are nearly clean: in place of
    rho = 0.9 come 0.68, 0.84 and 0.896 with c = 1, 4 and 32. A single Euler step is exact in another sense: from t = 1
    it gives E[y | x], whose nearest code is a point estimate (the most probable label, where codes are a number K), and
    from t = 0 E[x | y].

    Source: Caetano et al., Symmetrical Flow Matching: Unified Image Generation, Segmentation, and Classification with
        Score-Based Generative Models (AAAI 2026), https://arxiv.org/abs/2506.10634, and its code. Differs: labels may
        have any codes and scale, where the code has grey levels from -beta / 2 to beta / 2 for classes, that is `scale`
        half its beta. Its path is `Affine(CondOT(1e-4))`, for both parts.

    Args:
        codes: Number K >= 2 of labels, whose codes are then 1 at the label and -1 elsewhere, `[K, K]`; or a table
            `[K, m]`, such as the colours of a palette, or grey levels `((-1,), (0,), (1,))`; or
        features: Size m of vectors, which are their own codes, without a box.
        scale: c > 0. The larger, the nearer the flow to p(x | y) and p(y | x), and the narrower the times, near 1, in
            which labels and noise are told apart.
        dequantisation: w as a share in [0, 1) of its bound; the paper's code has 1/2 for classes.
        maps: Every pixel has a label of its own (segmentation), where otherwise a row has one.

    Shapes: `x0`, `x1` `[B, C, *M]`. `cond` is `[B]` (int64) or `[B, m]`, spread over M where the data have such axes
        and decoded from the mean over them; with `maps` it is `[B, *M]` or `[B, m, *M]`. Label parts are `[B, m, *M]`.
    Raises: `Incompatible` unless there are either codes or features; `InvalidInput` for codes that are not apart,
        numbers out of range, and at the call for conditions of another kind.

    Example:
        >>> coupling = Symmetrical(3, scale=1.0, dequantisation=0.0)
        >>> pairs = coupling(torch.zeros(2, 5), torch.ones(2, 5), torch.tensor([2, 0]))
        >>> pairs.x0["label"]
        tensor([[-1., -1.,  1.],
                [ 1., -1., -1.]])
        >>> net = pf.nets.Joined(pf.nets.MLP((5 + 3,)))
        >>> field = pf.objectives.FlowMatching().field(net)
        >>> start = coupling.target(torch.ones(2, 5))
        >>> end = pf.inference.transport(field, start, solver=pf.solvers.Euler(), times=[0.0, 1.0], reverse=True)
        >>> coupling.decode(end["label"]).shape
        torch.Size([2])
    """

    codes: int | Sequence[Sequence[float]] | None = None
    features: int | None = None
    scale: float = 4.0
    dequantisation: float = 0.5
    maps: bool = False

    def __post_init__(self) -> None:
        require(
            (self.codes is None) != (self.features is None),
            f"Symmetrical takes labels or vectors, got codes={self.codes} and features={self.features}; give one",
            Incompatible,
        )
        require(self.scale > 0, f"scale is {self.scale}, expected > 0")
        require(
            0 <= self.dequantisation < 1,
            f"dequantisation is {self.dequantisation}, expected within [0, 1), a share of the widest box that may be "
            "told apart",
        )
        if self.features is not None:
            require(self.features >= 1, f"features is {self.features}, expected at least 1")
            return
        if isinstance(self.codes, int):
            require(self.codes >= 2, f"codes is {self.codes}, expected at least 2 labels")
        else:
            rows = self.codes or ()
            require(
                len(rows) >= 2 and len({len(row) for row in rows}) == 1 and len(rows[0]) >= 1,
                "codes is no table [K, m]; give K >= 2 rows of the same length",
            )
        require(self._bound() > 0, "codes has two rows that are equal; give every label its own")

    def _table(self, like: Tensor) -> Tensor:
        """The codes e, `[K, m]`, on the device and in the dtype of `like`."""
        if isinstance(self.codes, int):
            return 2 * torch.eye(self.codes, device=like.device, dtype=like.dtype) - 1
        return torch.as_tensor(self.codes, device=like.device, dtype=like.dtype)

    def _bound(self) -> float:
        """What w must stay below."""
        if isinstance(self.codes, int):
            return 2.0  # two codes differ by 2 in two places: 8 / 4
        table = self._table(torch.zeros((), dtype=torch.float64))
        gap = (table[:, None] - table)[~torch.eye(len(table), dtype=torch.bool)]
        lengths = gap.abs().sum(-1).clamp_min(torch.finfo(gap.dtype).tiny)
        return float((gap.square().sum(-1) / lengths).min())

    @cached_property
    def width(self) -> float:
        """w, before scaling; 0 for vectors."""
        return 0.0 if self.codes is None else self.dequantisation * self._bound()

    @property
    def size(self) -> int:
        """m, the first event axis of the label part."""
        if self.codes is None:
            return cast(int, self.features)
        return self.codes if isinstance(self.codes, int) else len(self.codes[0])

    def encode(self, cond: Cond, like: Tensor, *, generator: Gen = None) -> Tensor:
        """The label part y `[B, m, *M]` of conditions that go with data like `like` `[B, C, *M]`."""
        self._check(cond, like)
        assert isinstance(cond, Tensor)
        y = cond.to(like) if self.codes is None else self._table(like)[cond].movedim(-1, 1)
        if not self.maps:
            y = y.reshape(*y.shape, *[1] * (like.ndim - 2)).expand(-1, -1, *like.shape[2:])
        if self.width > 0:
            y = y + self.width * (rand(y.shape, y, generator=generator) - 0.5).to(y)
        return self.scale * y

    def decode(self, y: Tensor) -> Tensor:
        """The conditions that belong to label parts `[B, m, *M]`: nearest labels (int64), or vectors."""
        require(
            y.ndim >= 2 and y.shape[1] == self.size,
            f"y has shape {list(y.shape)}, expected label parts [B, {self.size}, ...]; give state['label']",
        )
        y = y / self.scale
        if not self.maps and y.ndim > 2:
            y = y.flatten(2).mean(2)
        if self.codes is None:
            return y
        table = self._table(y)
        # |y - e|^2 less |y|^2
        return (table.square().sum(1) - 2 * y.movedim(1, -1) @ table.T).argmin(-1)

    def source(self, x0: Tensor, cond: Cond, *, generator: Gen = None) -> dict[str, Tensor]:
        """Where generation starts, at t = 0: noise `x0` `[B, C, *M]` and the label part of `cond`."""
        return {"data": x0, "label": self.encode(cond, x0, generator=generator)}

    def target(self, x1: Tensor, *, generator: Gen = None) -> dict[str, Tensor]:
        """Where recognition starts, at t = 1: data `x1` `[B, C, *M]` and noise."""
        shape = (len(x1), self.size, *x1.shape[2:])
        return {"data": x1, "label": randn(shape, x1, generator=generator)}

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs of both parts, without a condition."""
        check_rows(x0, x1, cond)
        require(
            isinstance(x0, Tensor) and isinstance(x1, Tensor) and x1.ndim >= 2,
            f"x0 has shape {shapes(x0)} and x1 {shapes(x1)}, expected tensors [B, C, ...]",
        )
        assert isinstance(x0, Tensor)
        assert isinstance(x1, Tensor)
        return Pairs((self.source(x0, cond, generator=generator), self.target(x1, generator=generator)))

    def _check(self, cond: Cond, like: Tensor) -> None:
        """Conditions of the kind, shape and range that were asked for."""
        rows, maps = len(like), tuple(like.shape[2:]) if self.maps else ()
        labels = self.codes is not None
        shape = (rows, *maps) if labels else (rows, self.size, *maps)
        kind = "int64 labels" if labels else "vectors"
        require(
            isinstance(cond, Tensor)
            and cond.shape == shape
            and (cond.dtype == torch.int64 if labels else cond.is_floating_point()),
            f"cond is {'None' if cond is None else 'of shape ' + shapes(cond)}, expected {kind} of shape "
            f"{list(shape)} for these data; {'give one for every row' if not self.maps else 'give maps'}",
        )
        if labels:
            assert isinstance(cond, Tensor)
            number = len(self._table(like))
            low, high = (int(v) for v in cond.aminmax())
            require(low >= 0 and high < number, f"cond has labels from {low} to {high}, expected 0 to {number - 1}")
