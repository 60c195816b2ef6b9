"""The one door to forward-mode derivatives, and the divergence of a field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from pushforward.core.errors import require
from pushforward.core.random import Gen, randn
from pushforward.core.state import dot, event_size

__all__ = ["Divergence", "Exact", "Hutchinson", "jvp"]


def _own(x: Any) -> Any:
    """Give a tensor its own memory: forward mode refuses what `expand` shares."""
    return x.contiguous() if isinstance(x, Tensor) else x


def jvp(
    f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, difference: float | None = None
) -> tuple[Any, Any]:
    r"""Value and directional derivative of `f` at `primals` along `tangents`.

    .. math:: \big(f(x),\ \tfrac{d}{dh} f(x + h\,\dot x)\big|_{h=0}\big)

    Forward mode by default, under the math attention kernel (the fused ones have no forward mode). With `difference`
    the derivative is the central quotient with that step: two more evaluations, error O(step^2), for functions that
    forward mode cannot enter. Both can be differentiated again by reverse mode, with one trap: the forward mode of
    `F.layer_norm` treats mean and variance as constants in that second pass and its gradients are silently wrong. The
    networks of this library write their own; for foreign ones use `difference` where gradients go through.

    Args:
        f: Function of `len(primals)` tensors, giving a tensor.
        primals: Where; tensors.
        tangents: Along what; shaped like `primals`.
        difference: Step of the central difference, in units of the tangents; None for forward mode.

    Example:
        >>> jvp(lambda x: x**2, (torch.tensor(3.0),), (torch.tensor(1.0),))
        (tensor(9.), tensor(6.))
    """
    if difference is not None:
        ahead = f(*(p + difference * d for p, d in zip(primals, tangents, strict=True)))
        behind = f(*(p - difference * d for p, d in zip(primals, tangents, strict=True)))
        return f(*primals), (ahead - behind) / (2 * difference)
    with sdpa_kernel(SDPBackend.MATH):
        return torch.func.jvp(f, tuple(map(_own, primals)), tuple(map(_own, tangents)))  # pyright: ignore[reportReturnType]


@runtime_checkable
class Divergence(Protocol):
    """Computes the value and the divergence of a function of one state."""

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """Tangents `[K, B, *E]`, drawn once and kept along a trajectory so that what is integrated is smooth."""
        ...

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """`f(x)` `[B, *E]` and its divergence `[B]`."""
        ...


def _directions(f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
    """`f(x)` and `sum_k e_k . J e_k` over the probes, one forward pass for all of them."""

    def along(e: Tensor) -> tuple[Tensor, Tensor]:
        value, change = cast(tuple[Tensor, Tensor], torch.func.jvp(f, (x,), (e,)))
        return value, dot(e, change)

    x = _own(x)
    with sdpa_kernel(SDPBackend.MATH):
        # the value does not depend on the mapped tangent, so it is computed once, not once per direction
        value, terms = torch.func.vmap(along, out_dims=(None, 0))(probes)  # pyright: ignore[reportArgumentType]
    return value, terms.sum(0)


@dataclass(frozen=True)
class Exact:
    r"""Exact divergence by forward mode over the coordinate basis.

    .. math:: \nabla\!\cdot f = \sum_{i=1}^{d} e_i^\top \frac{\partial f}{\partial x}\, e_i

    Costs about `d` evaluations; rows must not depend on each other.
    """

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """The basis `[d, B, *E]`."""
        d = event_size(x)
        basis = torch.eye(d, dtype=x.dtype, device=x.device).reshape(d, 1, *x.shape[1:])
        return basis.expand(d, *x.shape).contiguous()

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value and divergence."""
        return _directions(f, x, probes)


@dataclass(frozen=True)
class Hutchinson:
    r"""Unbiased divergence from random probes.

    .. math:: \nabla\!\cdot f \approx \frac1K \sum_{k=1}^{K} e_k^\top \frac{\partial f}{\partial x}\, e_k,
              \qquad \mathrm{E}\, e e^\top = I

    Source: Hutchinson, A stochastic estimator of the trace of the influence matrix (1990); for flows FFJORD,
        https://arxiv.org/abs/1810.01367.

    Args:
        count: Number K of probes, >= 1; the variance falls as 1/K.
        gaussian: Normal probes instead of Rademacher's signs, whose variance is never larger.
    """

    count: int = 1
    gaussian: bool = False

    def __post_init__(self) -> None:
        require(self.count >= 1, f"Hutchinson needs at least one probe, got count={self.count}")

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws `[count, B, *E]`."""
        z = randn((self.count, *x.shape), x, generator=generator)
        return z if self.gaussian else torch.where(z < 0, -1.0, 1.0).to(x.dtype)

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value and estimated divergence."""
        value, total = _directions(f, x, probes)
        return value, total / self.count
