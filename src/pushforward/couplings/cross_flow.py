"""The condition itself as the source."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pushforward.core import (
    Cond,
    Field,
    Gen,
    Incompatible,
    Pairs,
    Path,
    State,
    align,
    leaves,
    map_state,
    null_condition,
    require,
    span_of,
)
from pushforward.couplings._batch import check_rows, check_tensors
from pushforward.couplings._encoder import GaussianHead
from pushforward.couplings.learned import Gaussian
from pushforward.nets import ConditionEmbedding

__all__ = ["CrossFlow"]


class CrossFlow(nn.Module):
    r"""A variational encoder of the condition (a text, a label, another modality) is the source of the flow.

    .. math:: x_0 = m_\phi(c) + s_\phi(c) \odot \epsilon, \qquad
              \text{penalty} = \tfrac12 \sum \big(h(m) + s^2 - 1 - \log s^2\big), \quad
              h(m) = m^2 \ \text{or}\ (0.3\,m)^6

    The noise of the batch is :math:`\epsilon`. With :math:`h(m) = m^2` the penalty is
    :math:`\mathrm{KL}(q_\phi(x_0 | c)\,\|\,N(0, I))`; the official code's sixth power leaves means up to 3 free, so
    that conditions may lie apart, and still holds the scale. Without a penalty the source degenerates to points.

    The network has no input for the condition. It is told an indicator alone: zeros (label 0, or a vector of zeros)
    where there is a condition, the null condition elsewhere. With probability `cond_drop` a row is flagged null, and
    among the flagged rows of a batch the data take turns: under the flag source and data are independent, from whatever
    condition the source comes. Guidance works as ever: v = v_null + w (v_flag - v_null), both from the same x0.

    Source: Liu et al., Flowing from Words to Pixels: A Noise-Free Framework for Cross-Modality Evolution (CVPR 2025),
        https://arxiv.org/abs/2412.15213, and its code. Differs: the noise level 1e-5 at the data end is left to the
        path; no contrastive loss between x0 and features of the data, which needs an encoder of those; here the encoder
        starts at N(0, I) for every condition.

    Args:
        shape: Event shape, of source and data alike.
        classes: Number of labels; or
        features: size of a vector condition.
        width: Units of a hidden layer of the encoder.
        depth: Number of hidden layers, >= 1.
        cond_drop: Probability of the null flag, in [0, 1]; what guidance needs. Where it falls on a single row of a
            batch, that row is spared.
        free_means: Take the sixth power for h.

    Shapes: `x0` (standard noise), `x1` `[B, *shape]`; the penalty is `[B]`.
    Raises: `InvalidInput` for a `cond_drop` outside [0, 1], and at the call for no condition; `Incompatible` for data
        that have none.

    Example:
        >>> pairs = CrossFlow((2,), classes=3)(torch.zeros(4, 2), torch.ones(4, 2), torch.tensor([0, 1, 2, 0]))
        >>> pairs.cond
        tensor([0, 0, 0, 0])
    """

    reads_noise = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        width: int = 256,
        depth: int = 2,
        cond_drop: float = 0.0,
        free_means: bool = True,
    ) -> None:
        super().__init__()
        require(
            classes is not None or features is not None,
            "CrossFlow starts from the condition, and these data have none; give classes or features",
            Incompatible,
        )
        require(0 <= cond_drop <= 1, f"cond_drop is a probability, got {cond_drop}; choose one in [0, 1]")
        self.shape, self.cond_drop, self.free_means = tuple(shape), cond_drop, free_means
        self.condition = ConditionEmbedding(width, classes=classes, features=features)
        self.head = GaussianHead(self.shape, width, depth)
        self.width = width

    def source(self, cond: Cond) -> Gaussian:
        """q(x0 | c)."""
        require(cond is not None, "CrossFlow starts from the condition; give one for every row")
        assert cond is not None
        like = next(self.parameters())
        return self.head(self.condition(like.new_zeros(len(leaves(cond)[0]), self.width), cond), like)

    def penalty(self, law: Gaussian) -> Tensor:
        """How far the source is from N(0, I), `[B]`."""
        if not self.free_means:
            return law.kl()
        # KL with (0.3 m)^3 in place of m
        return Gaussian((0.3 * law.mean) ** 3, law.std).kl()

    def pair_and_penalty(
        self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None
    ) -> tuple[Pairs, Tensor]:
        """Pairs told the indicator, and the penalty of every row's source."""
        check_rows(x0, x1, cond)
        noise, data = check_tensors(x0, x1, self.shape)
        law = self.source(cond)
        flags = map_state(_flag, cond)
        if self.cond_drop > 0:
            null, order = self._flagged(len(data), data.device, generator)
            data = data[order]
            flags = map_state(lambda c, n: torch.where(align(null, c), n, c), flags, null_condition(flags))
        return Pairs((law.draw(noise), data), cond=flags), self.penalty(law)

    def _flagged(self, rows: int, device: torch.device, generator: Gen) -> tuple[Tensor, Tensor]:
        """Which rows are null, and the order of the data in which these have taken turns; waits for no device."""
        home = device if generator is None else generator.device
        null = (torch.rand(rows, generator=generator, device=home) < self.cond_drop).to(device)
        null = null & (null.sum() > 1)
        place = torch.arange(rows, device=device)
        flagged = (~null).long().argsort(stable=True)  # the rows with the flag first
        after = flagged[torch.where(place + 1 < null.sum(), place + 1, 0)]
        return null, place.scatter(0, flagged, torch.where(place < null.sum(), after, flagged))

    def forward(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """The pairs alone."""
        return self.pair_and_penalty(x0, x1, cond, generator=generator)[0]

    def check(self, path: Path | None) -> None:
        """Any path will do."""

    def field(self, field: Field, path: Path) -> Field:
        """A field that is told the indicator, as one that is told the condition."""
        return _Flagged(field)


@dataclass(frozen=True)
class _Flagged:
    """Tells its field whether there is a condition, and not which."""

    inner: Field

    @property
    def span(self) -> tuple[float, float]:
        """That of the field inside."""
        return span_of(self.inner)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        return self.inner(x, t, map_state(_flag, cond))


def _flag(cond: Tensor) -> Tensor:
    """Zeros, but -1 for label -1 and NaN for rows that are NaN throughout."""
    if not cond.is_floating_point():
        return torch.where(cond == -1, cond, 0)
    absent = cond.isnan().flatten(1).all(1)
    return torch.where(align(absent, cond), cond, 0.0)
