"""What a transform is."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Gen

__all__ = ["Transform"]


@runtime_checkable
class Transform(Protocol):
    """A map from data units to model units, row by row, that can be undone.

    Members are `nn.Module`s, so that `.to(device)` and `state_dict` reach the tensors of those that have any. Their
    constructor's arguments are attributes of the same name: numbers, buffers or other transforms and nothing else, so
    `describe_transform` and `state_dict` hold all that it takes to undo them without the data.
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
