"""The one door to forward-mode derivatives, and the divergence of a field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from pushforward.core.errors import require
from pushforward.core.random import Gen, randn
from pushforward.core.state import event_size

__all__ = ["Divergence", "Exact", "HutchPlusPlus", "Hutchinson", "dual", "jvp"]


def _own(x: Any) -> Any:
    """Give the tensors of a state their own memory: forward mode refuses what `expand` shares."""
    if isinstance(x, Mapping):
        return {name: _own(leaf) for name, leaf in x.items()}
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
        f: Function of `len(primals)` tensors, giving a tensor. Without `difference`, states will do for any of them.
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


class _Linear(TorchFunctionMode):
    """Maps with constant weights meet dual numbers in two calls, where forward mode adds a bias's zeros in Python."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _MAPS or not isinstance(args[0], Tensor):
            return func(*args, **kwargs)
        x, change = forward_ad.unpack_dual(args[0])
        if change is None or any(forward_ad.unpack_dual(w).tangent is not None for w in _weights(args, kwargs)):
            return func(*args, **kwargs)
        value = func(x, *args[1:], **kwargs)
        with torch.no_grad():
            plain = (args[1], None, *args[3:]) if len(args) > 2 else args[1:]
            named = kwargs | {"bias": None} if "bias" in kwargs else kwargs
            change = func(change, *plain, **named)
        return forward_ad.make_dual(value, change)


_MAPS = {functional.linear, functional.conv1d, functional.conv2d, functional.conv3d}


def _weights(args: Any, kwargs: Any) -> list[Tensor]:
    return [w for w in (*args[1:3], kwargs.get("weight"), kwargs.get("bias")) if isinstance(w, Tensor)]


def dual(f: Callable[..., Tensor], primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """`jvp` of a plain network, with less overhead and with the value's graph: one pass serves a loss on both.

    The function meets dual numbers, not a transform's wrappers: it must not contain transforms (`torch.func`) or
    another forward mode. Gradients reach its parameters through the value alone; the derivative is a constant. For
    those through the derivative, too, take `jvp`.
    Autocast is off inside, as products of tangents lose more than those of values; masks of dropout are the same for
    value and derivative.

    Example:
        >>> dual(lambda x: x**2, (torch.tensor(3.0),), (torch.tensor(1.0),))
        (tensor(9.), tensor(6.))
    """
    kind = primals[0].device.type
    with sdpa_kernel(SDPBackend.MATH), torch.autocast(kind, enabled=False), forward_ad.dual_level(), _Linear():
        inputs = (forward_ad.make_dual(_own(p), _own(d)) for p, d in zip(primals, tangents, strict=True))
        value, change = forward_ad.unpack_dual(f(*inputs))
    return value, torch.zeros_like(value) if change is None else change.detach()


@runtime_checkable
class Divergence(Protocol):
    """Computes the value and the divergence of a function of one state."""

    @property
    def count(self) -> int:
        """K, the number of estimates of the divergence; 1 where it is exact."""
        ...

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """Tangents `[P, B, *E]`, drawn once and kept along a trajectory so that what is integrated is smooth."""
        ...

    def estimates(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """`f(x)` `[B, *E]` and K equally good estimates of its divergence `[K, B]`."""
        ...

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """`f(x)` `[B, *E]` and its divergence `[B]`, the mean of the estimates."""
        ...


def _products(f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
    """`f(x)` and `J e_k` `[P, B, *E]` for every probe, one forward pass for all of them."""

    def along(e: Tensor) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], torch.func.jvp(f, (x,), (e,)))

    x = _own(x)
    with sdpa_kernel(SDPBackend.MATH):
        # the value does not depend on the mapped tangent, so it is computed once, not once per direction
        return torch.func.vmap(along, out_dims=(None, 0))(probes)  # pyright: ignore[reportArgumentType]


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of rows `[P, B, *E]`, `[P, B]`."""
    return (a * b)[..., None].flatten(2).sum(2)


def _draws(count: int, x: Tensor, gaussian: bool, generator: Gen) -> Tensor:
    z = randn((count, *x.shape), x, generator=generator)
    return z if gaussian else torch.where(z < 0, -1.0, 1.0).to(x.dtype)


@dataclass(frozen=True)
class Exact:
    r"""Exact divergence by forward mode over the coordinate basis.

    .. math:: \nabla\!\cdot f = \sum_{i=1}^{d} e_i^\top \frac{\partial f}{\partial x}\, e_i

    Costs about `d` evaluations; rows must not depend on each other.
    """

    @property
    def count(self) -> int:
        """One: there is nothing to average."""
        return 1

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """The basis `[d, B, *E]`."""
        d = event_size(x)
        basis = torch.eye(d, dtype=x.dtype, device=x.device).reshape(d, 1, *x.shape[1:])
        return basis.expand(d, *x.shape).contiguous()

    def estimates(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value, and the divergence `[1, B]`."""
        value, change = _products(f, x, probes)
        return value, _dots(probes, change).sum(0, keepdim=True)

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value and divergence."""
        value, terms = self.estimates(f, x, probes)
        return value, terms[0]


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
        return _draws(self.count, x, self.gaussian, generator)

    def estimates(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value, and what every probe says `[count, B]`."""
        value, change = _products(f, x, probes)
        return value, _dots(probes, change)

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value and estimated divergence."""
        value, terms = self.estimates(f, x, probes)
        return value, terms.mean(0)


@dataclass(frozen=True)
class HutchPlusPlus:
    r"""Unbiased divergence: exact on a sketch of the Jacobian's range, random probes on the rest.

    .. math:: \nabla\!\cdot f \approx \mathrm{tr}(Q^\top J Q)
              + \frac1K \sum_{k=1}^{K} g_k^\top (I - QQ^\top)\, J\, (I - QQ^\top)\, g_k,
              \qquad Q = \mathrm{orth}(J S)

    with K probes g and S of `sketch` columns, all drawn once, and a Q of its own for every row. Exact where the
    Jacobian has rank `sketch` or less, and where `sketch` reaches the number of coordinates. It costs
    `2 sketch + count` products with J and pays where J has few large singular values; near a multiple of the identity
    (a straight path at t = 0) it is Hutchinson's with fewer coordinates. Along a trajectory Q turns with the Jacobian,
    but QQ^T, all that counts, does so smoothly while J S keeps its rank, so adaptive solvers serve, too.

    Source: Meyer, Musco, Musco & Woodruff, Hutch++: Optimal Stochastic Trace Estimation (SOSA 2021),
        https://arxiv.org/abs/2010.09649, algorithm 1. Differs: Q is a constant for gradients. For any Q the mean over g
        is the trace, so they stay unbiased, and finite where J S loses rank.

    Args:
        sketch: Columns of S, >= 1; the paper's choice is as many as there are probes.
        count: Number K of probes, >= 1.
        gaussian: Normal S and probes instead of Rademacher's signs.

    Example:
        >>> x, method = torch.ones(1, 8), HutchPlusPlus(sketch=1)
        >>> method(lambda x: x.sum(1, keepdim=True) * torch.arange(8.0), x, method.probes(x))[1]
        tensor([28.])
    """

    sketch: int = 4
    count: int = 4
    gaussian: bool = False

    def __post_init__(self) -> None:
        require(
            self.sketch >= 1 and self.count >= 1,
            f"HutchPlusPlus needs a sketch and probes, got sketch={self.sketch} and count={self.count}; at least 1",
        )

    def probes(self, x: Tensor, *, generator: Gen = None) -> Tensor:
        """Columns of S, then the probes: `[sketch + count, B, *E]`."""
        return _draws(self.sketch + self.count, x, self.gaussian, generator)

    def estimates(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value, and what every probe says `[count, B]`, the part on the sketch included."""
        with torch.no_grad():
            _, seen = _products(f, x, probes[: self.sketch])
            columns = seen[..., None].flatten(2).permute(1, 2, 0)  # [B, d, sketch]
            basis = torch.linalg.qr(columns.to(torch.promote_types(columns.dtype, torch.float32))).Q.to(x.dtype)
        on, rest = basis.permute(2, 0, 1), probes[self.sketch :][..., None].flatten(2)
        rest = rest - torch.einsum("bds,kbs->kbd", basis, torch.einsum("bds,kbd->kbs", basis, rest))
        tangents = torch.cat([on, rest])
        value, change = _products(f, x, tangents.reshape(len(tangents), *x.shape))
        terms = _dots(tangents, change[..., None].flatten(2))
        return value, terms[: len(on)].sum(0) + terms[len(on) :]

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Value and estimated divergence."""
        value, terms = self.estimates(f, x, probes)
        return value, terms.mean(0)
