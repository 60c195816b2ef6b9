"""One transform after another."""

from collections.abc import Sequence
from typing import cast

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from pushforward.core import Gen, require
from pushforward.data.transforms.base import Transform, model_shape

__all__ = ["Compose"]


class Compose(nn.Module):
    r"""The parts, first to last.

    .. math:: y = f_K(\cdots f_1(x)), \qquad \log\Big|\frac{dy}{dx}\Big| = \sum_k \log|f_k'(x_{k-1})|

    Args:
        parts: At least one transform.

    Example: bytes to the real line.
        >>> bytes_to_reals = Compose([pf.data.Dequantise(256), pf.data.Logit(1e-3)])
        >>> bytes_to_reals.inverse(bytes_to_reals.forward(torch.tensor([[0, 77, 255]])))
        tensor([[  0.,  77., 255.]])
    """

    def __init__(self, parts: Sequence[Transform]) -> None:
        super().__init__()
        require(len(parts) > 0, "Compose got no parts; use Identity for no change")
        # a Compose among the parts is spliced in: what remains draws noise in `forward` only, which log_det relies on
        spliced = [inner for part in parts for inner in (part.parts if isinstance(part, Compose) else [part])]
        self.parts = nn.ModuleList(cast(list[nn.Module], spliced))

    def _sequence(self) -> list[Transform]:
        return cast(list[Transform], list(self.parts))

    def model_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The event shape that the last part gives."""
        for part in self._sequence():
            shape = model_shape(part, shape)
        return shape

    def forward(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *f"]:
        """All parts in order."""
        for part in self._sequence():
            x = part.forward(x, generator=generator)
        return x

    def inverse(self, y: Float[Tensor, "b *f"]) -> Float[Tensor, "b *e"]:
        """All inverses in reverse order."""
        for part in reversed(self._sequence()):
            y = part.inverse(y)
        return y

    def log_det(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """The sum over the parts, each at the point that it meets."""
        terms = []
        for part in self._sequence():
            terms.append(part.log_det(x))
            x = part.forward(x, generator=generator)
        return sum(terms[1:], terms[0])
