"""Steps in logits, with a Langevin corrector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, Path, State, Step, align, like, randn_like, require
from pushforward.fields import Shares
from pushforward.paths import GumbelSoftmax

__all__ = ["LogitLangevin"]


@dataclass(frozen=True)
class LogitLangevin:
    r"""Euler's method in the logits of a `GumbelSoftmax` path, and noise that its score balances.

    .. math:: dy = \frac{\lambda}{T(t)}\, \hat p\, dt + \frac{q_t}{2}\, s\, dt + \sqrt{q_t}\, dB, \qquad
              x = \mathrm{softmax}(y)

    with B of sum zero and s the score against Lebesgue measure on logits up to a shift, so that every q keeps the
    marginals (derived). Without noise, q = 0, no state can leave the simplex, however large the step. The error of a
    step with noise grows with :math:`q h \tau^2`, which must be well below 1 (tau = 20 by default: q = 0.1 takes 1000
    steps).

    Source: after Tang et al., Gumbel-Softmax Flow Matching (2025), https://arxiv.org/abs/2503.17361. The corrector is
        our own, as the paper's score-based sampler is not published in detail.

    Args:
        path: The path, not the `published` one, whose motion in logits is another.
        churn: q >= 0, a number or times `[B]` to `[B]`.

    Shapes: `x` `[B, *E, K]`, `s`, `t` `[B]`. `dynamics` says a law of x1, `dynamics.law(x, s, cond)`, or shares
        (`ConcreteScore`), from which it follows for t > 0.
    Raises: `Incompatible` for other paths and dynamics without a law; `InvalidInput` for a churn below 0.

    Example:
        >>> path = pf.paths.GumbelSoftmax()
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.0, 1.0]).on_simplex(path), pf.fields.Logits(), path)
        >>> pf.solve(field, torch.tensor([[[0.5, 0.5]]]), [0.0, 0.5, 1.0], solver=LogitLangevin(path)).x
        tensor([[[0.3053, 0.6947]]])
    """

    path: Path
    churn: float | Callable[[Tensor], Tensor] = 0.0

    def __post_init__(self) -> None:
        require(
            isinstance(self.path, GumbelSoftmax) and not self.path.published,
            f"LogitLangevin steps in the logits of GumbelSoftmax(), got {self.path}; use Euler(path.space)",
            Incompatible,
        )
        if not callable(self.churn):
            require(self.churn >= 0, f"LogitLangevin.churn is {self.churn}, expected a number >= 0")

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
        path, x = cast(GumbelSoftmax, self.path), cast(Tensor, x)
        law = getattr(dynamics, "law", None)
        require(
            callable(law),
            "LogitLangevin asks dynamics for the law of the data, dynamics.law(x, t, cond); give NetField(net, "
            "Logits(), path)",
            Incompatible,
        )
        found, h = cast(Any, law)(x, s, cond), align(t - s, x)
        probs = path.posterior(found.mean, x, s).clamp_min(0.0) if isinstance(found, Shares) else found.mean
        y = x.clamp_min(torch.finfo(x.dtype).tiny).log() + h * align(path.rate(s), x) * probs
        if callable(self.churn) or self.churn > 0:
            q = align(self.churn(s) if callable(self.churn) else torch.full_like(s, self.churn), x)
            z = randn_like(x, generator=generator)
            z = z - z.mean(-1, keepdim=True)
            y = y + h * q / 2 * path.score(probs, x, s) + (q * h.abs()).sqrt() * z
        return Step(like(y.softmax(-1), x))
