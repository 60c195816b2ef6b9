"""Pairs that are given."""

from dataclasses import dataclass

from pushforward.core import Cond, Gen, Pairs, State
from pushforward.couplings._batch import check_rows

__all__ = ["Paired"]


@dataclass(frozen=True)
class Paired:
    """Row i of x0 travels to row i of x1, as given.

    For data that come in pairs: a teacher's couples in reflow, an image and its corrupted version, two snapshots of one
    cell. Nothing is drawn. For batches that only happen to share their order use `Independent`.

    Source: Liu, Gong & Liu, Flow Straight and Fast (ICLR 2023), https://arxiv.org/abs/2209.03003, the reflow step;
        Albergo et al., Stochastic Interpolants with Data-Dependent Couplings (ICML 2024),
        https://arxiv.org/abs/2310.03725.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings.
    Raises: `InvalidInput` when the numbers of rows differ.

    Example:
        >>> Paired()(torch.zeros(3, 2), torch.ones(3, 2)).size
        3
    """

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        return Pairs((x0, x1), cond=cond)
