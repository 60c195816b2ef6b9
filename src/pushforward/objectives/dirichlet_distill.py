"""One step instead of many, on the simplex."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from pushforward.core import FlowMap, Gen, Incompatible, Loss, Pairs, require
from pushforward.fields import Categorical

__all__ = ["DirichletDistill"]


@dataclass(frozen=True)
class DirichletDistill:
    r"""A student says at once which symbols the teacher arrives at.

    .. math:: L(\theta) = -\mathrm E_{x_0} \sum_i \log p_\theta^i\big(k_i(x_0) \mid x_0, 0\big), \qquad
              k(x_0) = \arg\max \hat p_{\mathrm{teacher}}\big(X_{0, 1}(x_0), 1\big)

    (a mean over positions). The teacher's map is deterministic, so a perfect student is, too; in one step it samples
    `said(net, batch).mode`. It has no likelihood.

    Source: Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841, its distillation.

    Args:
        teacher: A field with a `law`, guided ones included, frozen.
        flow: How it is followed: a flow map, as `Integrated(teacher, Euler(Simplex()), 100)`.

    Shapes: the batch has x0 `[B, *E, K]`, its x1 is not looked at; gives a scalar `Loss` with the term "fit".
    Raises: `Incompatible` for a teacher that says no law.

    Example:
        >>> path = pf.paths.Dirichlet()
        >>> teacher = pf.fields.NetField(pf.oracles.TokenLaw([0.2, 0.8]).on_simplex(path), pf.fields.Logits(), path)
        >>> distill = DirichletDistill(teacher, pf.solvers.Integrated(teacher, pf.solvers.Euler(path.space), 20))
        >>> x0 = torch.tensor([[[0.1, 0.9]]])
        >>> distill(lambda x, t, cond: torch.zeros_like(x), pf.core.Pairs((x0, x0))).value
        tensor(0.6931)
    """

    teacher: Any
    flow: FlowMap

    def __post_init__(self) -> None:
        require(
            callable(getattr(self.teacher, "law", None)),
            f"DirichletDistill asks the teacher which symbols it arrives at, and {type(self.teacher).__name__} says no "
            "law; give NetField(net, Logits(), Dirichlet())",
            Incompatible,
        )

    @torch.no_grad()
    def symbols(self, batch: Pairs) -> Tensor:
        """Where the teacher arrives, `[B, *E]`."""
        x0 = cast(Tensor, batch.x0)
        zero = torch.zeros(len(x0), dtype=x0.dtype, device=x0.device)
        x1 = self.flow(x0, zero, zero + 1, batch.cond)
        return cast(Categorical, self.teacher.law(x1, zero + 1, batch.cond)).mode

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net`, which answers with logits."""
        fit = self.said(net, batch).loss(self.symbols(batch))
        return Loss.mean({"fit": fit}, batch.weight)

    def said(self, net: nn.Module | Callable[..., Tensor], batch: Pairs) -> Categorical:
        """What the student says of the symbols: `.mode` samples in one step."""
        x0 = cast(Tensor, batch.x0)
        return Categorical(net(x0, torch.zeros(len(x0), dtype=x0.dtype, device=x0.device), batch.cond))
