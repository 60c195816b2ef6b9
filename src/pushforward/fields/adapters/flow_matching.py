"""Our fields for Meta's flow_matching library."""

from typing import cast

from torch import Tensor, nn

from pushforward.core import Cond, Field, broadcast_time

__all__ = ["to_flow_matching"]


class _VelocityModel(nn.Module):
    """A field with the call of `flow_matching.utils.ModelWrapper`."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def forward(self, x: Tensor, t: Tensor, cond: Cond = None) -> Tensor:
        """Velocity `[B, *E]` at `x` and one time for all rows `[]`, or one for each `[B]`."""
        return cast(Tensor, self.field(x, broadcast_time(t, x), cond))


def to_flow_matching(field: Field) -> nn.Module:
    """The field as a velocity model for `flow_matching`, e.g. `ODESolver(velocity_model=to_flow_matching(field))`.

    Called as its `ModelWrapper`s are, `model(x=x, t=t, **extras)`, with `t` `[]` or `[B]` and `cond` the only extra:
    `ODESolver.sample(..., cond=labels)`. Time runs from noise (0) to data (1) in both libraries; nothing is converted.

    Source: Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264, and its library,
        https://github.com/facebookresearch/flow_matching.

    Args:
        field: Any field over tensors. One that is an `nn.Module` is moved by `.to(device)` of the model; others stay
            where their networks are.

    Example:
        >>> model = to_flow_matching(lambda x, t, cond=None: t[:, None] * x)
        >>> model(x=torch.ones(1, 2), t=torch.tensor(0.5))
        tensor([[0.5000, 0.5000]])
    """
    return _VelocityModel(field)
