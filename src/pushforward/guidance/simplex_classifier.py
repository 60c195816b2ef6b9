"""Classifier guidance of Dirichlet flows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.core import Cond, State, require, span_of
from pushforward.fields import Categorical
from pushforward.guidance.extrapolation import check_scale
from pushforward.guidance.simplex import check_posterior, log_of, posterior, to_simplex

__all__ = ["SimplexClassifier"]


@dataclass(frozen=True)
class SimplexClassifier:
    r"""Adds the gradient of a classifier of noisy states to the score, and reads the posterior off again.

    .. math:: s = s_\theta(x, t) + g\, \nabla_x \log p(y \mid x, t), \qquad
              \hat p = \Pi\Big(x \odot \tfrac sc + x\, \big(1 - \langle x, \tfrac sc \rangle\big)\Big)

    `Dirichlet.score` and `Dirichlet.posterior` are the two ways, and Pi the nearest point of the simplex. With the
    exact classifier, g = 1 gives the posterior given y.

    Source: Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841.

    Args:
        field: Says a law, as `NetField(net, Logits(), Dirichlet())`.
        classifier: `classifier(x, t, cond)` gives log p(y | x, t) `[B]`, of the y that is wanted, for states of the
            path; differentiable in x, each row by itself.
        scale: g, finite and >= 0; 0 is the field, bit for bit.

    Shapes: `x` `[B, *E, K]`, `t` `[B]`; the field and the classifier are given the same `cond`.
    Raises: `InvalidInput` for a negative or non-finite scale, `Incompatible` for fields that say no law, or not on a
        Dirichlet path.

    Example:
        >>> path = pf.paths.Dirichlet()
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.5, 0.5]).on_simplex(path), pf.fields.Logits(), path)
        >>> guided = SimplexClassifier(field, lambda x, t, cond: x[:, 0, 0].log(), 1.0)
        >>> guided.law(torch.tensor([[[0.5, 0.5]]]), torch.tensor([0.5])).mean
        tensor([[[0.6429, 0.3571]]])
    """

    field: Any
    classifier: Callable[[Tensor, Tensor, Cond], Tensor]
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_scale("SimplexClassifier", self.scale)
        check_posterior("SimplexClassifier", self.field, "score", "posterior", "clock")

    @property
    def path(self) -> Any:
        """The field's path."""
        return self.field.path

    @property
    def span(self) -> tuple[float, float]:
        """The times between which it may be followed: those of the field."""
        return span_of(self.field)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """The guided law of the data."""
        if self.scale == 0:
            return self.field.law(x, t, cond)
        x = cast(Tensor, x)
        probs = posterior("SimplexClassifier", self.field, x, t, cond)
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            said = self.classifier(at, t, cond)
            require(
                said.shape == t.shape,
                f"the classifier gave shape {list(said.shape)}, expected [{len(t)}], log p(y | x)",
            )
            (slope,) = torch.autograd.grad(said.sum(), at)
        # the score of the field and back is the posterior itself; so only what is added goes through 1 / c
        change = self.path.posterior(self.scale * slope, x, t) - x
        return log_of(to_simplex(probs + change))

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The motion that follows from it."""
        return self.path.drift(self.law(x, t, cond), x, t)
