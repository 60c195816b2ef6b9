"""As many jumps in every step."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Incompatible, Path, require
from pushforward.paths import Mixture

__all__ = ["EqualJumps"]


@dataclass(frozen=True)
class EqualJumps:
    r"""Steps in each of which the same number of tokens is expected to jump to the data.

    .. math:: \kappa(t_i) = \kappa(a) + \tfrac iK \big(\kappa(b) - \kappa(a)\big)

    `ExactJump` errs by the jumps that share a step, and depends on the schedule through kappa at the grid alone: on
    this grid all schedules give one chain.

    Source: derived; it is what the adaptive step of Gat et al., Discrete Flow Matching (NeurIPS 2024),
        https://arxiv.org/abs/2407.15595, is for, where rates are held over a step and must not exceed 1 / h.

    Raises: `Incompatible` when called for a path that is no mixture of tokens.

    Example:
        >>> EqualJumps()(4, path=pf.paths.Mixture(pf.spaces.Tokens(2), pf.paths.Polynomial(2)))
        tensor([0.0000, 0.5000, 0.7071, 0.8660, 1.0000], dtype=torch.float64)
    """

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` times over `span`."""
        require(
            isinstance(path, Mixture),
            f"EqualJumps counts the jumps of tokens, on a Mixture path; got {type(path).__name__}, use Uniform()",
            Incompatible,
        )
        path = cast(Mixture, path)
        ends = path.kappa(torch.tensor(span, dtype=torch.float64))[0]
        found = path.time_at(torch.lerp(ends[0], ends[1], torch.linspace(0, 1, steps + 1, dtype=torch.float64)))
        found[0], found[-1] = span
        return found
