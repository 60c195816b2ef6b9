"""Discrete flow matching by the bound: the Bregman divergence between rates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from pushforward.core import (
    Gen,
    Head,
    Incompatible,
    Loss,
    Pairs,
    Path,
    drop_condition,
    event_size,
    require,
    require_part,
)
from pushforward.fields import Categorical, Logits, NetField
from pushforward.objectives.times import Draw, Stratified, TimeLaw, Uniform

__all__ = ["DiscreteFlowMatching"]


@dataclass(frozen=True)
class DiscreteFlowMatching:
    r"""Generalised KL divergence of the conditional rates from the model's, which bounds the likelihood.

    .. math:: L(\theta) = \frac1N\, \mathrm E_{t, x_t} \sum_i \sum_{y \ne x^i}
              \Big[ u \log\frac{u}{u^\theta} - u + u^\theta \Big](y, x_t^i) \;\ge\;
              \frac1N\, \mathrm E[-\log p_1^\theta(x_1)]

    Nats a symbol: whatever the law of times, rows count 1 / p(t), so that the value is the bound, less the part beyond
    the last time (of the order of 1e-3 with the times of the default). The minimiser is the marginal rate. On a
    `Mixture` the integrand is a cross-entropy where x_t shows the source, with weight kappa' / (1 - kappa); without the
    mask there is a term on what it keeps, too. The plain cross-entropy, no bound but often kinder to train with, is
    `FlowMatching(path, head=Logits())`.

    Source: Shaul et al., Flow Matching with General Discrete Paths (ICLR 2025), https://arxiv.org/abs/2412.03487, the
        bound; Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595, the path. As
        `MixturePathGeneralizedKL` of the official code, which gives it the other sign inside and means over symbols.

    Args:
        path: Of tokens, with `bregman`, as `Mixture(Tokens(27))`.
        head: What the network says.
        times: Law p of the training time; ends before 1, where the weight diverges.
        draw: How the uniform numbers behind a batch of times are drawn.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Shapes: `pairs` of `[B, *E]` int64, of any coupling; gives a scalar `Loss` with the term "bound".
    Raises: `Incompatible` at construction for paths without tokens or `bregman`, for heads that do not say the data,
        and for times that reach 1.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> net = lambda x, t, cond: torch.zeros(*x.shape, 2)
        >>> ends = torch.full((4096, 1), 2), torch.zeros(4096, 1, dtype=torch.int64)
        >>> bool(abs(DiscreteFlowMatching(path)(net, pf.core.Pairs(ends)).value - 0.6931) < 0.2)
        True
    """

    path: Path
    head: Head = field(default_factory=Logits)
    times: TimeLaw = field(default_factory=lambda: Uniform(0.0, 0.999))
    draw: Draw = field(default_factory=Stratified)
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("path", Path, "a path such as Mixture(Tokens(27))"),
            ("head", Head, "a head such as Logits()"),
            ("times", TimeLaw, "a law of times such as Uniform(0.0, 0.999)"),
            ("draw", Draw, "a draw such as Stratified()"),
        ):
            require_part(f"DiscreteFlowMatching.{name}", getattr(self, name), kind, example)
        self.head.check(self.path)
        require(
            isinstance(self.head, Logits) and hasattr(self.path, "bregman"),
            f"DiscreteFlowMatching bounds the likelihood by what Logits() say on a path with `bregman`, got "
            f"{type(self.head).__name__} on {type(self.path).__name__}; use FlowMatching(path, head)",
            Incompatible,
        )
        last = self.times.quantile(torch.ones(1, dtype=torch.float64))
        require(
            bool(last < 1),
            "the weight of the bound diverges at t = 1; let the times end before it, as Uniform(0.0, 0.999)",
            Incompatible,
        )
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        t = self.times.quantile(self.draw(batch.size, cast(Tensor, batch.x1), generator=generator))
        point = self.path.sample(batch, t, generator=generator)
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        law = cast(Categorical, self.head.law(net(point.x, t, cond), point.x, t))
        rows = cast(Any, self.path).bregman(law.log_probs, point) / self.times.density(t)
        return Loss.mean({"bound": rows / event_size(batch.x1)}, batch.weight)

    def field(self, net: nn.Module) -> NetField:
        """The field of rates that `net` has learned."""
        return NetField(net, self.head, self.path)
