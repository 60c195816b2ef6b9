"""A field that leaves alone what is given."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Cond, Field, InvalidInput, State, map_state, same_shape, shapes, span_of

__all__ = ["Held"]


@dataclass(frozen=True)
class Held:
    r"""A field whose motion is zero where the condition says that a state is given.

    .. math:: v_M(x, t, c) = M \odot v(x, t, c), \qquad M = c_\text{generate} \in \{0, 1\}

    Given entries that start where they are given stay there, to the bit, whatever the solver on flat space.

    Args:
        field: Told the same condition.

    Shapes: `cond["generate"]` is shaped like the state; without it nothing is held.
    Raises: `InvalidInput` for a mask of another shape.

    Example:
        >>> field = Held(lambda x, t, cond: torch.ones_like(x))
        >>> field(torch.zeros(1, 2), torch.zeros(1), {"generate": torch.tensor([[1.0, 0.0]])})
        tensor([[1., 0.]])
    """

    field: Field

    @property
    def span(self) -> tuple[float, float]:
        """That of the field."""
        return span_of(self.field)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The motion, where there is any."""
        v = self.field(x, t, cond)
        if cond is None or isinstance(cond, Tensor) or "generate" not in cond:
            return v
        mask = cond["generate"]
        if not same_shape(mask, v):
            raise InvalidInput(
                f"generate has shape {shapes(mask)} for a state {shapes(v)}; give one mark for each entry"
            )
        return map_state(lambda motion, mark: motion * mark.to(motion.dtype), v, mask)
