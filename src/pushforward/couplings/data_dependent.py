"""Sources made from the data."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pushforward.core import Cond, Gen, Pairs, State, batch_size, leaves, require
from pushforward.couplings._batch import check_rows, shapes

__all__ = ["DataDependent", "Observe", "Source"]


@runtime_checkable
class Source(Protocol):
    """Draws a source for every data row: rho_0(x0 | x1, cond)."""

    def __call__(self, x1: State, cond: Cond, *, generator: Gen = None) -> State:
        """Sources, shaped like `x1`."""
        ...


@runtime_checkable
class Observe(Protocol):
    """What is known of every data row when it is sampled: the condition that the model gets."""

    def __call__(self, x1: State, cond: Cond, *, generator: Gen = None) -> Cond:
        """Conditions, `[B, ...]`, made from the data and the conditions that came with them."""
        ...


@dataclass(frozen=True)
class DataDependent:
    r"""Data-dependent coupling of stochastic interpolants: the source is drawn given the data, by a function of yours.

    .. math:: \pi(x_0, x_1 \mid \xi) = p_1(x_1 \mid \xi)\,\rho_0(x_0 \mid x_1, \xi), \qquad
              \text{often}\quad x_0 = m(x_1, \xi) + s z,\ z \sim N(0, I)

    The data marginal is kept; the source marginal becomes the average of rho_0 over the data, and that is what sampling
    must start from: make x0 from the given :math:`\xi` exactly as here. What is lost in m is told by :math:`\xi`, which
    the network has to see; without noise (s = 0) the source lies on a thin set, and no flow makes it diverse.

    In-painting: `observe` draws a mask and gives it as the condition, `source` keeps what is known and fills the rest
    with noise. Super-resolution: `observe` is down-sampling, `source` is up-sampling plus noise.

    Source: Albergo et al., Stochastic Interpolants with Data-Dependent Couplings (ICML 2024),
        https://arxiv.org/abs/2310.03725.

    Args:
        source: `(x1, cond, *, generator)` -> x0, shaped like x1; draws everything from the generator.
        observe: `(x1, cond, *, generator)` -> the condition that replaces `cond`, before the source is drawn; None
            keeps the condition that came with the data.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 stays in place, the x0 that comes in is not used.
    Raises: `InvalidInput` when the numbers of rows differ, and for sources or conditions of another shape than wanted.

    Example:
        >>> def blurred(x1, cond, *, generator=None):
        ...     return x1.mean(1, keepdim=True) + 0.1 * torch.randn(x1.shape, generator=generator)
        >>> DataDependent(blurred)(torch.zeros(2, 3), torch.ones(2, 3)).x0.round()
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    source: Source
    observe: Observe | None = None

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        if self.observe is not None:
            cond = self.observe(x1, cond, generator=generator)
            require(
                cond is None or {len(leaf) for leaf in leaves(cond)} == {batch_size(x1)},
                f"observe gave conditions for x1 of shape {shapes(x1)} in another number; give one for every row",
            )
        drawn = self.source(x1, cond, generator=generator)
        require(
            shapes(drawn) == shapes(x1),
            f"source gave x0 of shape {shapes(drawn)}, expected that of x1, {shapes(x1)}",
        )
        return Pairs((drawn, x1), cond=cond)
