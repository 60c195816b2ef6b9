"""Optimal transport within the batch, between sets of points that may be turned and relabelled."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Pairs, State, require, take
from pushforward.couplings._batch import check_rows
from pushforward.couplings.aligned import check_sets, species_of
from pushforward.transport import alignment, assignment

__all__ = ["AlignedDistance", "EquivariantOT"]

_BLOCK = 1 << 20  # coordinates of pairs that are aligned at once


@torch.no_grad()
def _distances(x0: Tensor, x1: Tensor, species: Tensor | None, reflections: bool, rounds: int) -> Float[Tensor, "n m"]:
    """Squared distances of all aligned pairs; `species` are those of x1, `[1, N]` or `[m, N]`."""
    m, columns = len(x1), []
    step = max(1, _BLOCK // max(1, x0.numel()))
    for start in range(0, m, step):
        y = x1[start : start + step]
        rows = x0.repeat_interleave(len(y), 0)
        there = y.repeat(len(x0), 1, 1)
        own = species if species is None or len(species) == 1 else species[start : start + step].repeat(len(x0), 1)
        found = alignment(rows, there, species=own, reflections=reflections, rounds=rounds)
        columns.append((found(rows) - there).square().sum((1, 2)).view(len(x0), len(y)))
    return torch.cat(columns, 1)


@dataclass(frozen=True)
class AlignedDistance:
    r"""Squared distances of point sets after the best relabelling and rotation, a cost for couplings.

    .. math:: C_{ij} = \min_{\sigma, Q} \sum_k \big|x_1^{jk} - Q\, x_0^{i\sigma(k)}\big|^2

    as `transport.alignment` finds it: an upper bound of the least.

    Args:
        species: Of the N points; None if all are alike.
        reflections: Whether mirror images count as equal.
        rounds: Turns of the search, >= 1; the paper's one is near enough to choose pairs by.

    Shapes: `x0` `[n, N, d]`, `x1` `[m, N, d]`; gives `[n, m]`.
    Raises: `InvalidInput` for states that are no point sets or not finite, and for species in another number.

    Example:
        >>> x = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
        >>> AlignedDistance()(x, torch.tensor([[[0.0, 3.0], [0.0, -3.0]]]))
        tensor([[8.]])
    """

    species: tuple[int, ...] | None = None
    reflections: bool = False
    rounds: int = 1

    def __post_init__(self) -> None:
        require(self.rounds >= 1, f"rounds is {self.rounds}, expected at least 1")

    def __call__(self, x0: State, x1: State, /) -> Float[Tensor, "n m"]:
        """Costs of all pairs."""
        start, end = check_sets(x0, x1)
        return _distances(start, end, species_of(self.species, None, start), self.reflections, self.rounds)


@dataclass(frozen=True)
class EquivariantOT:
    r"""Equivariant optimal transport within the batch: pairs that lie nearest once aligned, and then aligned.

    .. math:: \tau^* = \arg\min_{\tau \in S_B} \sum_j \min_g \big|x_1^j - g\, x_0^{\tau(j)}\big|^2, \qquad
              (x_0, x_1)_j \mapsto \big(g_j\, x_0^{\tau^*(j)},\ x_1^j\big)

    `ExactOT` with the cost `AlignedDistance`, then `Aligned`; the same with species that differ from row to row, which
    no cost can see, for a mixed batch. What it says of its marginals is what `Aligned` says. B^2 pairs are aligned for
    a batch, which `training.workers` does ahead of the step.

    Source: Klein, Kraemer & Noe, Equivariant flow matching (NeurIPS 2023), https://arxiv.org/abs/2306.15030. Differs:
        the pairs that were chosen are aligned with more than one round.

    Args:
        species: Of the N points; None if all are alike. A condition with a leaf `species` `[B, N]` goes before it.
        reflections: Whether mirror images count as equal; without them chirality is kept.
        rounds: Turns of the search between the chosen pairs, >= 1; one turn for the cost.
        tolerance: Relative duality gap of the pairing, in `[1e-8, 1]`.

    Shapes: `x0`, `x1` `[B, N, d]`, centred (`spaces.Centred`) unless the place counts; `cond` `[B, *E]`; x1 and cond
        stay in place.
    Raises: `InvalidInput` for states that are no point sets of one shape or not finite, and for species in another
        number.

    Example:
        >>> x1 = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]], [[5.0, 0.0], [-5.0, 0.0]]])
        >>> x0 = torch.tensor([[[0.0, 4.0], [0.0, -4.0]], [[0.0, 2.0], [0.0, -2.0]]])
        >>> EquivariantOT()(x0, x1).x0[:, :, 0]
        tensor([[ 2., -2.],
                [ 4., -4.]])
    """

    species: tuple[int, ...] | None = None
    reflections: bool = False
    rounds: int = 3
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require(self.rounds >= 1, f"rounds is {self.rounds}, expected at least 1")
        require(1e-8 <= self.tolerance <= 1, f"tolerance is {self.tolerance}, expected within [1e-8, 1]")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        start, end = check_sets(x0, x1)
        species = species_of(self.species, cond, start)
        cost = _distances(start, end, species, self.reflections, rounds=1)
        chosen = take(start, assignment(cost.T, tolerance=self.tolerance))
        found = alignment(chosen, end, species=species, reflections=self.reflections, rounds=self.rounds)
        return Pairs((found(chosen), x1), cond=cond)
