"""Boxes and labels as numbers that a flow can move."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import require

__all__ = ["LayoutCode"]


@dataclass(frozen=True)
class LayoutCode:
    r"""Elements of a layout as centre, width, height, and analog bits of the label, all mapped to [-1, 1] by 2u - 1.

    .. math:: x = 2\,\big(c_x, c_y, w, h, b_1, \dots, b_k\big) - 1, \qquad k = \lceil \log_2 C \rceil

    Decoding takes the label whose code is nearest: k bits have codes beyond C - 1, which clipping would all count for
    the last label.

    Source: Chen, Zhang & Hinton, Analog Bits (ICLR 2023), https://arxiv.org/abs/2208.04202, in Guerreiro et al.,
        LayoutFlow (ECCV 2024), https://arxiv.org/abs/2403.18187.

    Args:
        labels: C, their number, >= 2.

    Shapes: boxes `[*B, 4]` as left, top, right, bottom in [0, 1], labels `[*B]` int64, codes `[*B, 4 + k]`.

    Example:
        >>> LayoutCode(3).encode(torch.tensor([0.0, 0.0, 1.0, 0.5]), torch.tensor(2))
        tensor([ 0.0000, -0.5000,  1.0000,  0.0000,  1.0000, -1.0000])
    """

    labels: int

    def __post_init__(self) -> None:
        require(self.labels >= 2, f"LayoutCode.labels is {self.labels}, expected at least 2")

    @property
    def bits(self) -> int:
        """k."""
        return (self.labels - 1).bit_length()

    def _codes(self, like: Tensor) -> Tensor:
        powers = 2 ** torch.arange(self.bits - 1, -1, -1, device=like.device)
        bits = torch.arange(self.labels, device=like.device)[:, None] // powers % 2
        return 2 * bits.to(like.dtype) - 1

    def encode(self, boxes: Float[Tensor, "*b 4"], labels: Int[Tensor, "*b"]) -> Float[Tensor, "*b features"]:
        """Elements as numbers."""
        low, high = boxes.chunk(2, -1)
        return torch.cat([low + high - 1, 2 * (high - low) - 1, self._codes(boxes)[labels]], -1)

    def decode(self, x: Float[Tensor, "*b features"]) -> tuple[Float[Tensor, "*b 4"], Int[Tensor, "*b"]]:
        """Boxes, clipped to [0, 1], and labels."""
        centre, size = ((x[..., k : k + 2] + 1) / 2 for k in (0, 2))
        size = size.clamp_min(0)
        boxes = torch.cat([centre - size / 2, centre + size / 2], -1).clamp(0, 1)
        nearest = (x[..., None, 4:] - self._codes(x)).square().sum(-1)
        return boxes, nearest.argmin(-1)
