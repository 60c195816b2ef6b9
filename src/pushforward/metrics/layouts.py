"""How tidy layouts are."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["alignment", "overlap"]


def _pairs(real: Tensor) -> Tensor:
    """Which two elements are there, and not the same."""
    both = (real[:, :, None] > 0) & (real[:, None] > 0)
    return both & ~torch.eye(real.shape[1], dtype=torch.bool, device=real.device)


def overlap(boxes: Float[Tensor, "b n 4"], real: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    r"""How much of an element lies under others, mean over the elements of every layout.

    .. math:: \frac1n \sum_i \sum_{j \ne i} \frac{|b_i \cap b_j|}{|b_i|}

    0 where nothing overlaps; nested boxes count fully, so real screens are far from 0: compare with data. Boxes of no
    area count nothing.

    Source: Li et al., Attribute-conditioned Layout GAN for Automatic Graphic Design (2020),
        https://arxiv.org/abs/2009.05284.

    Args:
        boxes: Left, top, right, bottom `[B, N, 4]`.
        real: 1 for elements, 0 for padding.

    Example:
        >>> overlap(torch.tensor([[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0]]]), torch.ones(1, 2))
        tensor([0.7500])
    """
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)
    share = torch.where(area[:, :, None] > 0, shared / area[:, :, None].clamp_min(1e-12), 0.0)
    return torch.where(_pairs(real), share, 0.0).sum((1, 2)) / real.sum(1).clamp_min(1)


def alignment(boxes: Float[Tensor, "b n 4"], real: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    r"""How far elements are from lining up with another one, mean over the elements of every layout.

    .. math:: \frac1n \sum_i -\log\Big(1 - \min_{j \ne i}\, \min_k |a_{ik} - a_{jk}|\Big)

    with a the left, centre, right, top, middle and bottom of a box. 0 where every element lines up with another;
    layouts of one element have 0. Papers often print 100 times as much.

    Source: Li et al., Attribute-conditioned Layout GAN for Automatic Graphic Design (2020),
        https://arxiv.org/abs/2009.05284.

    Args:
        boxes: Left, top, right, bottom `[B, N, 4]` in [0, 1].
        real: 1 for elements, 0 for padding.

    Example:
        >>> alignment(torch.tensor([[[0.0, 0.0, 0.2, 0.2], [0.0, 0.5, 0.4, 0.9]]]), torch.ones(1, 2))
        tensor([0.])
    """
    marks = torch.cat([boxes, (boxes[..., :2] + boxes[..., 2:]) / 2], -1)
    gaps = (marks[:, :, None] - marks[:, None]).abs().amin(-1)
    nearest = torch.where(_pairs(real), gaps, 1.0).amin(2)
    alone = (real.sum(1, keepdim=True) < 2) | (real == 0)
    cost = -torch.log1p(-nearest.clamp_max(1 - 1e-6))
    return torch.where(alone, 0.0, cost).sum(1) / real.sum(1).clamp_min(1)
