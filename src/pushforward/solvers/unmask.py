"""Masks revealed in an order."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, Path, State, Step, align, rand, require
from pushforward.solvers.token_steps import require_mixture, said_of_data

__all__ = ["Unmask"]


@dataclass(frozen=True)
class Unmask:
    r"""As many masks revealed as the time asks for, those first of whose symbol the network is surest.

    .. math:: n_t = \mathrm{round}(\kappa_t N) \text{ shown}, \qquad
              x_1^i \sim p_\theta^i(\cdot \mid x), \quad \text{by } \log p_\theta^i(x_1^i) + \tau g_i, \quad
              g_i \sim \mathrm{Gumbel}

    Of N positions those with the largest of these numbers are shown. With noise tau = infinity the order is random, and
    one position a step is then the exact chain, which has no two jumps at one time: no error of discretisation if the
    network's posterior does not depend on time, as an exact one does not. With finite noise the marginals are not kept:
    sure symbols come first, which helps networks that err, and narrows the law.

    Source: Chang et al., MaskGIT (CVPR 2022), https://arxiv.org/abs/2202.04200; kappa = 1 - its mask ratio, noise
        there falls as 1 - t. Differs: the number shown is rounded, not cut; symbols are never masked again.

    Args:
        path: To a space with the mask.
        noise: tau >= 0; 0 is greedy in the order (symbols are drawn all the same), infinity a random order.

    Shapes: as `ExactJump`.
    Raises: `Incompatible` for a space without the mask; `InvalidInput` for negative noise.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> law = pf.oracles.TokenLaw([[0.5, 0.0], [0.5, 0.0]])  # the second symbol is sure
        >>> field = pf.fields.NetField(law.along(path), pf.fields.Logits(), path)
        >>> pf.solve(field, torch.tensor([[2, 2]]), [0.0, 0.5], solver=Unmask(path)).x
        tensor([[2, 0]])
    """

    span: ClassVar[tuple[float, float]] = (0.0, 1.0)  # it may step where rates diverge

    path: Path
    noise: float = 0.0

    def __post_init__(self) -> None:
        path = require_mixture(self)
        require(
            path.tokens.mask,
            f"Unmask reveals masks, which {path.tokens} does not have; use Tokens(..., mask=True), or ExactJump",
            Incompatible,
        )
        require(self.noise >= 0, f"Unmask.noise is {self.noise}, expected at least 0")

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
        """One step from `s` to `t`."""
        x, path = cast(Tensor, x), require_mixture(self)
        law = said_of_data(self, dynamics, x, s, cond)
        drawn, masked = law.sample(generator=generator), x == path.tokens.vocab
        sure = law.log_probs.gather(-1, drawn[..., None])[..., 0]
        if self.noise > 0:
            gumbel = -rand(x.shape, sure.double(), generator=generator).log().neg().log()
            sure = gumbel if math.isinf(self.noise) else sure + self.noise * gumbel
        flat = sure.masked_fill(~masked, -math.inf)[..., None].flatten(1)
        rank = flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)  # 0 for the surest mask
        shown, size = (~masked)[..., None].flatten(1).sum(1), flat.shape[1]
        due = (path.kappa(t)[0] * size).round() - shown
        reveal = (rank < align(due, rank)).reshape(x.shape) & masked
        return Step(torch.where(reveal, drawn, x))
