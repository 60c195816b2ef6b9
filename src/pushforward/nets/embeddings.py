"""What a network is told besides the state: the time and the condition."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Incompatible, InvalidInput, require

__all__ = ["ConditionEmbedding", "Context", "TimeEmbedding"]


def _shape(cond: Cond) -> str:
    return (
        str(list(cond.shape)) if isinstance(cond, Tensor) else str({k: list(v.shape) for k, v in (cond or {}).items()})
    )


def _seen(cond: Cond) -> str:
    return (
        f"{cond.dtype} of shape {_shape(cond)}" if isinstance(cond, Tensor) else f"a mapping of shapes {_shape(cond)}"
    )


class TimeEmbedding(nn.Module):
    r"""Sinusoids of the time, then a small network.

    .. math:: \big[\cos\omega_k t,\ \sin\omega_k t\big]_{k<K}, \qquad \omega_k = \Omega^{k/(K-1)}

    The angles stay far below the 1000 t of diffusion networks: the field is smooth in t, and flow maps differentiate
    their network in t, where every frequency multiplies the noise. The whole embedding runs in the precision of
    `t` and the weights even under autocast: in bf16 neighbouring steps of a solver would share one time.

    Source: the features are those of Vaswani et al., Attention Is All You Need (2017),
        https://arxiv.org/abs/1706.03762, with another range of frequencies.

    Args:
        width: Size of the embedding.
        frequencies: Number K of frequencies, >= 2.
        highest: The highest angular frequency, in radians per unit of time; the lowest is 1.

    Shapes: `t` `[B]` gives `[B, width]`.
    """

    frequencies: Tensor

    def __init__(self, width: int, *, frequencies: int = 32, highest: float = 100.0) -> None:
        super().__init__()
        exponents = torch.linspace(0, 1, frequencies)
        self.register_buffer("frequencies", highest**exponents, persistent=False)
        self.first = nn.Linear(2 * frequencies, width)
        self.last = nn.Linear(width, width)

    def forward(self, t: Float[Tensor, " b"]) -> Float[Tensor, "b width"]:
        """The embedding of every row's time."""
        with torch.autocast(t.device.type, enabled=False):
            angles = t[:, None] * self.frequencies
            waves = torch.cat([angles.cos(), angles.sin()], 1).to(self.first.weight.dtype)
            return self.last(nn.functional.silu(self.first(waves)))


class ConditionEmbedding(nn.Module):
    """Adds the embedding of a condition to hidden units.

    Labels `[B]` (int64) look up a row of a table, vectors `[B, features]` go through a linear map. Label -1 and
    vectors that are NaN throughout are the null condition and get a learned row of their own, as does `cond=None`.
    A vector with some NaNs is damaged data: it stays NaN and shows in the loss.

    Added to the first layer of an MLP this equals appending the vector or the one-hot label to the input.

    Args:
        width: Size of the hidden units.
        classes: Number of labels, 0 to classes - 1; or
        features: size of a vector; or neither: then `cond` must be None.

    Shapes: hidden units `[B, width]` give `[B, width]`.
    Raises: `InvalidInput` for both `classes` and `features`, or a condition of another dtype or shape;
        `Incompatible` for a condition where the network has none.

    Example:
        >>> embed = ConditionEmbedding(4, classes=10)
        >>> h = torch.zeros(2, 4)
        >>> torch.equal(embed(h, torch.tensor([-1, -1])), embed(h, None))
        True
    """

    def __init__(self, width: int, *, classes: int | None = None, features: int | None = None) -> None:
        super().__init__()
        require(
            classes is None or features is None,
            f"a network takes labels or vectors, got classes={classes} and features={features}; append the one-hot "
            "label to the vector",
        )
        for name, size in (("classes", classes), ("features", features)):
            require(size is None or size >= 1, f"got {name}={size}, expected at least 1, or None for no condition")
        self.classes, self.features = classes, features
        if classes is not None:
            self.table = nn.Embedding(classes + 1, width)  # row 0 is the null label, -1
        if features is not None:
            self.linear = nn.Linear(features, width)
            self.null = nn.Parameter(torch.zeros(width))

    def forward(self, h: Float[Tensor, "b width"], cond: Cond = None) -> Float[Tensor, "b width"]:
        """`h` plus the embedding of `cond`."""
        if self.classes is not None:
            return h + (self.table.weight[0] if cond is None else self.table(self._labels(cond, len(h)) + 1))
        if self.features is not None:
            return h + (self.null if cond is None else self._projected(self._vectors(cond, len(h), self.features)))
        require(
            cond is None,
            "this network was built without a condition (classes=None, features=None), got cond of shape "
            f"{_shape(cond)}; pass classes or features to the network, or leave the condition out",
            Incompatible,
        )
        return h

    def _projected(self, cond: Tensor) -> Tensor:
        absent = cond.isnan().all(1, keepdim=True)
        known = torch.where(absent, 0.0, cond)  # before the linear map, or its gradient would be NaN
        return torch.where(absent, self.null, self.linear(known))

    def _labels(self, cond: Cond, rows: int) -> Tensor:
        if isinstance(cond, Tensor) and cond.shape == (rows,) and cond.dtype == torch.int64:
            return cond
        raise InvalidInput(f"cond is {_seen(cond)}, expected int64 labels of shape [{rows}]; use cond.long()")

    def _vectors(self, cond: Cond, rows: int, size: int) -> Tensor:
        if isinstance(cond, Tensor) and cond.shape == (rows, size) and cond.is_floating_point():
            return cond
        raise InvalidInput(f"cond is {_seen(cond)}, expected vectors of shape [{rows}, {size}]; use cond.float()")


class Context(nn.Module):
    """Times and condition as one vector: the activated sum of their embeddings.

    Args:
        width: Size of the vector.
        classes: Number of labels, see `ConditionEmbedding`.
        features: Size of a vector condition, see `ConditionEmbedding`.
        times: 1, or 2 for networks that are told from when to when: then the gap is embedded as well.

    Shapes: `t` `[B]`, with two times `[B, 2]`, and `cond` give `[B, width]`.
    """

    def __init__(self, width: int, *, classes: int | None = None, features: int | None = None, times: int = 1) -> None:
        super().__init__()
        self.time = TimeEmbedding(width)
        self.condition = ConditionEmbedding(width, classes=classes, features=features)
        self.gap = TimeEmbedding(width) if times == 2 else None

    def forward(self, t: Float[Tensor, "b *times"], cond: Cond = None) -> Float[Tensor, "b width"]:
        """What modulates the layers of the larger networks."""
        told = self.time(t) if self.gap is None else self.time(t[:, 0]) + self.gap(t[:, 1] - t[:, 0])
        return nn.functional.silu(self.condition(told, cond))
