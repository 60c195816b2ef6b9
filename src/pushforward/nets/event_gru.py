"""What happened so far, as a recurrent network remembers it."""

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import require

__all__ = ["EventGRU"]


class EventGRU(nn.Module):
    r"""A gated recurrent network over the events of a sequence, and what it says before each of them.

    .. math:: h_i = \mathrm{GRU}(h_{i-1}, z_i), \quad h_0 = 0, \qquad \mathrm{out}_i = W h_i + b

    `out_i` is said after `i` events and knows no later one. The first entries say what is thought at the start.

    Source: the history encoder of Shchur, Bilos & Guennemann, Intensity-Free Learning of Temporal Point Processes
        (ICLR 2020), https://arxiv.org/abs/1909.12127.

    Args:
        outputs: Numbers it says each time.
        inputs: Numbers it is told of an event: 1 is the waiting time, 2 a mark besides.
        width: Size of the history vector.

    Shapes: `z` `[B, L]` gives `[B, L + 1, outputs]`; with more inputs than one, `z` is `[B, L, inputs]`.
    Raises: `InvalidInput` for sizes below 1.

    Example:
        >>> EventGRU(3, width=8)(torch.zeros(2, 5)).shape
        torch.Size([2, 6, 3])
    """

    def __init__(self, outputs: int, *, inputs: int = 1, width: int = 64) -> None:
        super().__init__()
        require(
            min(outputs, inputs, width) >= 1,
            f"EventGRU got outputs={outputs}, inputs={inputs} and width={width}, expected at least 1",
        )
        self.inputs = inputs
        self.gru = nn.GRU(inputs, width, batch_first=True)
        self.last = nn.Linear(width, outputs)

    def _events(self, z: Tensor) -> Tensor:
        return z[..., None] if self.inputs == 1 else z

    def forward(self, z: Float[Tensor, "b length *inputs"]) -> Float[Tensor, "b steps outputs"]:
        """What is said after 0, 1, ..., L events."""
        states, _ = self.gru(self._events(z))
        return self.last(nn.functional.pad(states, (0, 0, 1, 0)))

    def start(self, z: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b outputs"], Float[Tensor, "1 b width"]]:
        """What is said before anything happened to rows like `z`, and the memory of it."""
        memory = z.new_zeros(1, len(z), self.gru.hidden_size)
        return self.last(memory[0]), memory

    def advance(
        self, z: Float[Tensor, "b *inputs"], memory: Float[Tensor, "1 b width"]
    ) -> tuple[Float[Tensor, "b outputs"], Float[Tensor, "1 b width"]]:
        """What is said after one more event, and the memory that holds it."""
        states, memory = self.gru(self._events(z)[:, None], memory)
        return self.last(states[:, 0]), memory
