"""A tangent vector, scored in its space's own metric."""

from typing import Any, NamedTuple

from torch import Tensor

from pushforward.core import InvalidInput, State, map_state, same_shape, shapes

__all__ = ["Tangent"]


class Tangent(NamedTuple):
    r"""A point estimate of a motion at x, scored by the squared Riemannian length of its error.

    .. math:: \ell(u, y) = \tfrac1n \lVert u - y \rVert_{g(x)}^2, \qquad n = \dim M

    In Euclidean space it is `Dirac`. The minimiser is the conditional mean, as tangent vectors at one point add.

    Shapes: `mean`, `x` and targets `[B, *E]` (or mappings); the loss is `[B]`.
    Raises: `InvalidInput` for a mean that is not shaped like its target.

    Example:
        >>> north = torch.tensor([[0.0, 0.0, 1.0]])
        >>> Tangent(torch.zeros(1, 3), north, pf.spaces.Sphere()).loss(torch.tensor([[1.0, 1.0, 0.0]]))
        tensor([1.])
    """

    mean: State
    x: State
    space: Any  # all that is asked of it is `inner` and `dimension`, which surfaces without logarithm have, too

    def loss(self, target: State) -> Tensor:
        """Squared length of the error of every row, a mean over free coordinates."""
        if not same_shape(self.mean, target):
            raise InvalidInput(
                f"the network says a motion of shape {shapes(self.mean)} for targets of shape {shapes(target)}; let it "
                "return one number per feature of the state"
            )
        gap = map_state(lambda u, y: u - y, self.mean, target)
        return self.space.inner(self.x, gap, gap) / self.space.dimension(self.x)
