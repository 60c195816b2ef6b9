"""What a coupling with weights of its own says beyond `Coupling`."""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Cond, Coupling, Field, Gen, Pairs, Path, State

__all__ = ["Gaussian", "LearnedCoupling"]


class Gaussian(NamedTuple):
    r"""A diagonal normal law for every row, :math:`N(m, \mathrm{diag}(s^2))`, seen as an image of standard noise.

    Shapes: `mean` and `std` `[B, *E]`, std > 0.

    Example:
        >>> law = Gaussian(torch.zeros(3, 2), torch.ones(3, 2))
        >>> law.kl()
        tensor([0., 0., 0.])
    """

    mean: Tensor
    std: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """m + s noise."""
        return self.mean + self.std * noise

    def noise(self, x: Tensor) -> Tensor:
        """What `draw` turns into `x`."""
        return (x - self.mean) / self.std

    def log_volume(self) -> Tensor:
        """Log-determinant `[B]` of `draw`."""
        return _sum(self.std.log())

    def kl(self) -> Tensor:
        r"""Divergence from N(0, I) in nats, `[B]`: :math:`\tfrac12 \sum (m^2 + s^2 - 1 - \log s^2)`."""
        return _sum(0.5 * (self.mean.square() + self.std.square() - 1)) - self.log_volume()


def _sum(x: Tensor) -> Tensor:
    """Over all but the rows, `[B]`."""
    return x.reshape(len(x), -1).sum(1)


@runtime_checkable
class LearnedCoupling(Coupling, Protocol):
    """A coupling that is an `nn.Module`: it is trained with the network, under `objectives.Joint`.

    It moves rows instead of re-indexing them, so that a sampler must know three more things: in which coordinates the
    network speaks (`field`), where a draw of the source begins (`source`), and what keeps the weights from collapsing
    (the penalty).
    """

    @property
    def reads_noise(self) -> bool:
        """Whether x0 must be standard noise that is independent of x1."""
        ...

    def check(self, path: Path | None) -> None:
        """Raise `Incompatible` when this coupling makes no sense on `path`."""
        ...

    def pair_and_penalty(
        self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None
    ) -> tuple[Pairs, Tensor]:
        """The pairs, through which gradients reach the weights, and the penalty of every row, `[B]`."""
        ...

    def field(self, field: Field, path: Path) -> Field:
        """A field that was learned on the pairs, in the coordinates of x0 and x1 and told the condition of the data."""
        ...

    def source(self, cond: Cond) -> Gaussian | None:
        """The law from which sampling starts, given the condition; None for the space's own noise."""
        ...
