"""What a transform is."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Gen

__all__ = ["Transform", "model_shape"]


@runtime_checkable
class Transform(Protocol):
    """A map from data units to model units, row by row, that can be undone.

    Members are `nn.Module`s, so that `.to(device)` and `state_dict` reach the tensors of those that have any. Their
    constructor's arguments are attributes of the same name: numbers, buffers or other transforms and nothing else, so
    `describe_transform` and `state_dict` hold all that it takes to undo them without the data. One that changes the
    event shape (`SimplexLogRatio`) has a `model_shape(shape)`.
    """

    def forward(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """Data units `[B, *E]` to model units `[B, *E]`."""
        ...

    def inverse(self, y: Tensor) -> Tensor:
        """Model units back to data units."""
        ...

    def log_det(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """`log |d forward / d x|` `[B]`, in nats, summed over the event axes.

        The log-density in data units is the one in model units plus this. Where noise is drawn on the way
        (`Dequantise` before `Logit`), a generator in the state that `forward` met gives the same noise.
        """
        ...


def model_shape(transform: Transform, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The event shape in model units, of rows whose event shape in data units is `shape`.

    Example:
        >>> model_shape(pf.data.SimplexLogRatio(), (4,)), model_shape(pf.data.Identity(), (4,))
        ((3,), (4,))
    """
    changed = getattr(transform, "model_shape", None)
    return shape if changed is None else changed(shape)
