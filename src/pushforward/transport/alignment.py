"""Point sets turned and relabelled to lie as near to each other as they can."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pushforward.core import require
from pushforward.transport.kabsch import kabsch

__all__ = ["Alignment", "alignment"]


class Alignment(NamedTuple):
    """Which point goes where, `[B, N]`, and the rotation after it, `[B, d, d]`."""

    permutation: Int64[Tensor, "b n"]
    rotation: Float[Tensor, "b d d2"]

    def __call__(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The points `x` relabelled and turned; gradients reach them, and nothing else."""
        return relabelled(x, self.permutation) @ self.rotation.mT.to(x.dtype)


def relabelled(x: Float[Tensor, "b n d"], permutation: Int64[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
    """Row i is the point `permutation[:, i]`."""
    return x.gather(1, permutation[..., None].expand_as(x))


@torch.no_grad()
def alignment(
    x: Float[Tensor, "b n d"],
    y: Float[Tensor, "c m e"],
    *,
    species: Int64[Tensor, "s k"] | None = None,
    reflections: bool = False,
    rounds: int = 3,
) -> Alignment:
    r"""Relabelling and rotation that bring every point set of x near to that of y.

    .. math:: \min_{\sigma \in S,\ Q \in SO(d)} \sum_i |y_i - Q x_{\sigma(i)}|^2

    by turns: the best permutation for the rotation at hand, an assignment problem solved exactly, then the best
    rotation for that permutation (`kabsch`). No half-step makes the sum larger, so it ends in a minimum of both turns,
    not always in the least of all. The first permutation is that for no rotation. Turning or relabelling x and y alike
    does the same to the answer, whatever minimum is found.

    Source: Klein, Kraemer & Noe, Equivariant flow matching (NeurIPS 2023), https://arxiv.org/abs/2306.15030; with
        `rounds=1` the search of the paper.

    Args:
        x: Sets to be moved, finite.
        y: Sets that stay.
        species: Of every point, of both x and y; only points of one species are exchanged. `[1, N]` if it is that of
            all rows; None if all are alike.
        reflections: Whether mirror images count as equal.
        rounds: Turns, >= 1.

    Raises: `InvalidInput` for sets and species of other shapes, points that are not finite, and less than one round.

    Example:
        >>> x = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-1.0, -2.0]]])
        >>> found = alignment(x, x[:, [1, 0, 2]] @ torch.tensor([[0.8, 0.6], [-0.6, 0.8]]))
        >>> found.permutation
        tensor([[1, 0, 2]])
    """
    require(rounds >= 1, f"rounds is {rounds}, expected at least 1")
    require(
        x.shape == y.shape and x.ndim == 3,
        f"point sets of shapes {list(x.shape)} and {list(y.shape)} cannot be aligned; give both [B, N, d]",
    )
    apart = _apart(x, species)
    rotation = torch.eye(x.shape[2], dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
    permutation = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    for _ in range(rounds):
        # |y_i - Q x_j|^2 less what is the same for a whole row or column
        permutation = _assigned(-y @ rotation.to(y.dtype) @ x.mT, apart)
        rotation = kabsch(relabelled(x, permutation), y, reflections=reflections)
    return Alignment(permutation, rotation)


def _apart(x: Tensor, species: Tensor | None) -> Tensor | None:
    """Which points are of different species, `[b, N, N]`."""
    if species is None:
        return None
    require(
        species.ndim == 2 and species.shape[0] in (1, len(x)) and species.shape[1] == x.shape[1],
        f"species has shape {list(species.shape)} for points of shape {list(x.shape)}; give one for every point, "
        f"[{len(x)}, {x.shape[1]}] or [1, {x.shape[1]}]",
    )
    return species[:, :, None] != species[:, None]


def _assigned(cost: Float[Tensor, "b n n"], apart: Tensor | None) -> Int64[Tensor, "b n"]:
    """The column of every row in the least-cost matchings that mix no species."""
    from pushforward.transport import _hungarian

    work = cost.double()
    if apart is not None:  # a single pair of two species costs more than the dearest matching without
        most = work.abs().amax((1, 2), keepdim=True)
        work = torch.where(apart, 2 * cost.shape[-1] * most + 1, work)
    require(bool(work.isfinite().all()), "the points are not finite; look for NaN or infinity in the states")
    found = torch.empty(cost.shape[:2], dtype=torch.int64)
    _hungarian.solve(work.cpu().contiguous().numpy(), found.numpy())
    return found.to(cost.device)
