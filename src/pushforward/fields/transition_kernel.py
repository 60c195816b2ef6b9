"""A backbone and its head, seen as a random displacement."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Cond, Field, Head, Incompatible, State, align, like, map_state, require
from pushforward.fields.net_field import NetField

__all__ = ["Transition", "TransitionKernel"]


class Transition(NamedTuple):
    """How displacements of given rows are drawn: `field(y, s, features)` takes noise at s = 0 to draws at s = 1."""

    field: Field
    features: Cond


@dataclass(frozen=True)
class TransitionKernel:
    r"""The law of Y = x1 - x0 given x_t, by a flow of its own under features that are computed once.

    .. math:: h = f(x, t, c), \qquad \frac{dY_s}{ds} = g(Y_s, s, h), \quad Y_0 \sim \mathcal N(0, I), \qquad
              \mathrm E[Y \,|\, x_t] = v(x_t, t)

    `solvers.Transitions` draws from it. `velocity` is the mean, of one evaluation: what the head says of no noise at
    s = 0 (derived: there :math:`\dot Y_s = \alpha' Y + \sigma' Y_0` is independent of :math:`Y_0`, which is 0).

    Source: Shaul et al., Transition Matching: Scalable and Flexible Generative Modeling (2025),
        https://arxiv.org/abs/2506.23589.

    Args:
        net: With `backbone(x, t, cond)` and `head(y, s, features)`: a `nets.TransitionNet`.
        head: What the small network says.
        path: On which Y_s lies; affine, without latent noise.

    Shapes: `x` `[B, *E]`, `t` `[B]`.
    Raises: `Incompatible` at construction for a net without these two, and for other paths.
    """

    net: Any
    head: Head
    path: AffinePath

    def __post_init__(self) -> None:
        both = all(callable(getattr(self.net, name, None)) for name in ("backbone", "head"))
        require(
            both,
            f"transitions take a backbone and a head, {type(self.net).__name__} is one network; give "
            "nets.TransitionNet(backbone, head)",
            Incompatible,
        )
        require(
            isinstance(self.path, AffinePath) and getattr(self.path, "latent", None) is None,
            f"displacements are drawn on an affine path without latent noise, got {self.path}; use Affine()",
            Incompatible,
        )

    def __call__(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> Transition:
        """How displacements from `x` at `t` are drawn."""
        return Transition(NetField(self.net.head, self.head, self.path), self.net.backbone(x, t, cond))

    def velocity(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """The mean displacement: a Field."""
        found, s = self(x, t, cond), torch.zeros_like(t)
        rate = self.path.coeffs(s).d_alpha
        said = found.field(map_state(torch.zeros_like, x), s, found.features)
        return map_state(lambda y: like(y / align(rate, y), y), said)
