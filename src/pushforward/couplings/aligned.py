"""Sources turned and relabelled towards their data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pushforward.core import Cond, Coupling, Gen, InvalidInput, Pairs, State, require, require_part
from pushforward.core import shapes as shapes_of
from pushforward.couplings.paired import Paired
from pushforward.transport import alignment

__all__ = ["Aligned", "check_sets", "species_of"]


def check_sets(x0: State, x1: State) -> tuple[Tensor, Tensor]:
    """Both batches, when they are point sets of one shape; their numbers of rows are the caller's business."""
    if isinstance(x0, Tensor) and isinstance(x1, Tensor) and x0.ndim == 3 and x0.shape[1:] == x1.shape[1:]:
        return x0, x1
    raise InvalidInput(
        f"x0 has shape {shapes_of(x0)} and x1 {shapes_of(x1)}, expected point sets [B, N, d], tensors of one shape"
    )


def species_of(fixed: tuple[int, ...] | None, cond: Any, like: Tensor) -> Tensor | None:
    """Species of the points `[1, N]` or `[B, N]`, those of the condition first; None where all are alike."""
    if isinstance(cond, Mapping) and "species" in cond:
        return cond["species"]
    return None if fixed is None else torch.tensor([fixed], device=like.device)


@dataclass(frozen=True)
class Aligned:
    r"""Every source is turned and relabelled to lie as near to its data point as it can.

    .. math:: (x_0, x_1) \mapsto (g\, x_0, x_1), \qquad
              g = \arg\min_{g = (\sigma, Q)} \sum_i \big|x_1^i - Q\, x_0^{\sigma(i)}\big|^2

    over permutations within species and rotations about the origin, by turns (`transport.alignment`): straighter paths
    for data whose law does not see where a set of points is turned or how it is numbered. Rotations and permutations
    are constants for gradients.

    Marginals: x1 stays. x0 keeps its law where neither the law of the source (normal noise) nor that of the data
    changes under the group: then turning both ends of a pair alike changes nothing, so that g x0 has an invariant law,
    and its shape is that of x0. Of data in fixed poses it turns all sources to those poses, and x0 is not the noise
    that sampling starts from; a network that is equivariant (`EGNN`) still learns the right flow, that of the data
    turned and numbered at random, for it cannot tell a pair from its turned copies.

    Source: Klein, Kraemer & Noe, Equivariant flow matching (NeurIPS 2023), https://arxiv.org/abs/2306.15030, and Song
        et al., Equivariant Flow Matching with Hybrid Probability Transport for 3D Molecule Generation (NeurIPS 2023),
        https://arxiv.org/abs/2312.07168.

    Args:
        coupling: Whose pairs.
        species: Of the N points; None if all are alike. A condition with a leaf `species` `[B, N]` goes before it.
        reflections: Whether mirror images count as equal; without them chirality is kept.
        rounds: Turns of the search, >= 1.

    Shapes: `x0`, `x1` `[B, N, d]`, centred (`spaces.Centred`) unless the place counts; `cond` `[B, *E]`.
    Raises: `InvalidInput` for states that are no point sets of one shape or not finite, and for species in another
        number.

    Example:
        >>> x1 = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-1.0, -2.0]]])
        >>> x0 = x1[:, [2, 0, 1]] @ torch.tensor([[0.8, 0.6], [-0.6, 0.8]])
        >>> (Aligned()(x0, x1).x0 - x1).abs().amax() < 1e-6
        tensor(True)
    """

    coupling: Coupling = field(default_factory=Paired)
    species: tuple[int, ...] | None = None
    reflections: bool = False
    rounds: int = 3

    def __post_init__(self) -> None:
        require_part("Aligned.coupling", self.coupling, Coupling, "a coupling such as Paired()")
        require(self.rounds >= 1, f"rounds is {self.rounds}, expected at least 1")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        pairs = self.coupling(x0, x1, cond, generator=generator)
        start, end = check_sets(pairs.x0, pairs.x1)
        species = species_of(self.species, pairs.cond, start)
        found = alignment(start, end, species=species, reflections=self.reflections, rounds=self.rounds)
        return pairs._replace(anchors=(found(start), *pairs.anchors[1:]))
