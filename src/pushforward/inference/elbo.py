"""A lower bound of the log-likelihood of token sequences."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, Pairs, rand, require, time_dtype
from pushforward.fields import Categorical
from pushforward.paths import Mixture

__all__ = ["elbo"]


@torch.no_grad()
def elbo(
    field: Any, x: Int[Tensor, "b *e"], *, strata: int = 64, cond: Cond = None, generator: Gen = None
) -> Float[Tensor, " b"]:
    r"""Unbiased estimate of a lower bound of log p_1(x), in nats, for a flow of tokens that starts in noise.

    .. math:: -\log p_1^\theta(x_1) \le \int_0^1 \frac{d\kappa}{1 - \kappa}\; \mathrm E_{x_t | x_1}\,
              \mathrm{gap}_\theta(x_t, x_1) = \int_0^1 \frac{2\, dq}{1 - q}\; \mathrm E\, \mathrm{gap}_\theta,
              \qquad \kappa = 1 - (1 - q)^2

    The integral does not know the schedule; `gap` is that of `Mixture`. q is stratified, each row with an offset of its
    own. Nothing is cut: the chance of a gap falls as 1 - kappa = (1 - q)^2, so the estimate has a finite variance up to
    q = 1 (derived), where one that is uniform in kappa has an infinite one, and is cut at 1 - 1e-3 by most codes, which
    drops a positive tail.

    With the mask and an exact posterior the bound is log p(x) itself, for any number of symbols (the chain rule in a
    random order). Without the mask it is not tight, even then.

    Source: Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595; Shaul et al., Flow
        Matching with General Discrete Paths (ICLR 2025), https://arxiv.org/abs/2412.03487.

    Args:
        field: With a `law` of the data and a `path`, as `NetField(net, Logits(), path)`.
        x: Data.
        strata: Evaluations for every row, >= 1.
        cond: Condition of every row.
        generator: Of times and of x_t.

    Returns: `[B]`; its mean over rows is at most the mean log-likelihood. `metrics.perplexity` makes nats a symbol.
    Raises: `Incompatible` for fields without a law of symbols on a `Mixture`.

    Example: one symbol of two, alike
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.5, 0.5]).along(path), pf.fields.Logits(), path)
        >>> bound = elbo(field, torch.zeros(2000, 1, dtype=torch.int64), strata=32)
        >>> bool(abs(bound.mean() + 0.6931) < 0.02)
        True
    """
    path = getattr(field, "path", None)
    require(
        isinstance(path, Mixture) and callable(getattr(field, "law", None)),
        f"elbo needs a field that says the law of symbols on a Mixture path, got {type(field).__name__}; give "
        "NetField(net, Logits(), path)",
        Incompatible,
    )
    require(strata >= 1, f"elbo needs at least one evaluation, got strata={strata}")
    path = cast(Mixture, path)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    offset = rand((len(x),), total, generator=generator)
    for k in range(strata):
        rest = 1.0 - (k + offset) / strata  # 1 - q, in (0, 1]
        t = path.time_at(1.0 - rest.square())
        pairs = Pairs((path.tokens.noise(x, generator=generator), x), cond=cond)
        point = path.sample(pairs, t, generator=generator)
        law = cast(Categorical, field.law(point.x, t.to(time_dtype(x)), cond))
        total -= 2.0 / rest * path.gap(law.log_probs, point) / strata
    return total
