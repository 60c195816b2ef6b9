"""Steps of a flow map, which lands where it says."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import (
    AffinePath,
    Cond,
    Gen,
    Incompatible,
    Path,
    State,
    Step,
    align,
    like,
    map_state,
    require,
)

__all__ = ["Jump"]


@dataclass(frozen=True)
class Jump:
    r"""One call of a flow map a step; with `renoise` every step goes to the data and back to its time.

    .. math:: x_t = X_{s,t}(x_s), \qquad \text{or} \qquad
              \hat x_1 = X_{s,1}(x_s), \quad x_t = \alpha_t \hat x_1 + \sigma_t x_0, \quad x_0 \text{ new noise}

    The first composes and keeps the start's noise; an error of one step is carried on by the next. The second, the
    multistep sampling of consistency models, asks only for jumps to t = 1, forgets the noise, and mends errors of early
    jumps. Both agree in a single step from 0 to 1.

    Source: Song et al., Consistency Models (ICML 2023), https://arxiv.org/abs/2303.01469, algorithm 1; time runs from
        data to noise there.

    Args:
        path: The affine path on which the map was trained; needed to put noise back.
        renoise: Whether every step goes to the data and back. Holds for noise that is independent of the data.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`.
    Raises: `Incompatible` at construction for `renoise` on a path that is not affine, or has latent noise.

    Example:
        >>> still = lambda x, s, t, cond: x
        >>> pf.solve(still, torch.ones(1, 1), [0.0, 0.5, 1.0], solver=Jump()).nfe
        2
    """

    path: Path | None = None
    renoise: bool = False

    def __post_init__(self) -> None:
        path = self.path
        require(
            not self.renoise or (isinstance(path, AffinePath) and getattr(path, "latent", None) is None),
            f"Jump puts noise back by alpha x1 + sigma x0, which {path} does not do; give an affine path without "
            "latent noise, or renoise=False",
            Incompatible,
        )

    @property
    def draws(self) -> bool:
        """Whether a step draws noise."""
        return self.renoise

    def step(
        self,
        dynamics: Any,
        x: State,
        s: Float[Tensor, " b"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        carry: Any = None,
        generator: Gen = None,
    ) -> Step:
        """From `s` to `t`; `dynamics` is a FlowMap."""
        if not self.renoise:
            return Step(dynamics(x, s, t, cond))
        path = cast(AffinePath, self.path)
        x1, c = dynamics(x, s, torch.ones_like(t), cond), path.coeffs(t)
        x0 = path.space.noise(x1, generator=generator)
        return Step(map_state(lambda p, e: like(align(c.alpha, p) * p + align(c.sigma, e) * e, p), x1, x0))
