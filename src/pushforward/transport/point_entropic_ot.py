"""Entropic optimal transport among many points, without a matrix."""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from pushforward.core import InvalidInput, require
from pushforward.transport._doors import Array, number, tensor
from pushforward.transport._scaling import Points, scale, scale_symmetric, weighing
from pushforward.transport.sinkhorn import weights_of

__all__ = ["PointEntropic", "PointsValue", "mean_square", "point_entropic_ot"]


class PointEntropic(NamedTuple):
    r"""What makes an entropic plan between points, and what it is worth.

    :math:`P_{ij} = a_i b_j e^{(f_i + g_j - |x_i - y_j|^2)/\varepsilon}`, for any block of rows that is wanted; the
    constant that f and g may exchange is chosen so that :math:`a \cdot f = b \cdot g`.
    """

    f: Float[Tensor, " n"]
    g: Float[Tensor, " m"]
    value: Float[Tensor, ""]
    epsilon: Float[Tensor, ""]


def point_entropic_ot(
    x: Float[Array, "n *e"],
    y: Float[Array, "m *e"],
    epsilon: float,
    a: Float[Array, " n"] | None = None,
    b: Float[Array, " m"] | None = None,
    *,
    relative: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int = 5000,
) -> PointEntropic:
    r"""Potentials and value of `entropic_ot` under squared distances, from coordinates in O(n + m) memory.

    .. math:: \max_{f, g}\ a \cdot f + b \cdot g
              - \varepsilon \sum_{ij} a_i b_j \big[e^{(f_i + g_j - |x_i - y_j|^2)/\varepsilon} - 1\big]

    The same scalings with the same over-relaxation; in every iteration the kernel is made in blocks of a million
    entries and forgotten, for two to ten times the time that it takes from memory. There is no second stage: where the
    plan is nearly a permutation it raises. The value is differentiable in points and weights by the envelope theorem,
    the potentials are constants.

    Source: as for `entropic_ot`; blocks: Feydy et al., Interpolating between Optimal Transport and MMD using Sinkhorn
        Divergences (AISTATS 2019), https://arxiv.org/abs/1810.08278.

    Args:
        x: Points `[n, *E]`, tensor or array.
        y: Points `[m, *E]`, likewise.
        epsilon: Strength of the penalty, > 0, in units of the squared distance.
        a: Weights of `x` `[n]`, >= 0, of sum 1; None for uniform.
        b: Weights of `y` `[m]`, likewise.
        relative: Whether epsilon counts in mean squared distances between x and y, held constant.
        tolerance: Largest L1 error of each of the two marginals, > 0.
        max_iterations: Pairs of scalings at most.

    Returns: the optimum, on the device of `x`, computed in float64, in the points' dtype, float32 at least.
    Raises: `InvalidInput` for points that are not finite or not of one space, for bad weights, for an epsilon that is
        no positive number, and where the marginals do not come within the tolerance.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]])
        >>> point_entropic_ot(x, y, 1.0).value
        tensor(0.3799)
    """
    x, y, epsilon = tensor(x, "x"), tensor(y, "y"), number(epsilon, "epsilon")
    require(
        x.shape[1:] == y.shape[1:] and x.numel() > 0 and y.numel() > 0,
        f"points of shapes {list(x.shape)} and {list(y.shape)} cannot be compared; "
        "give at least one of each, with the same event shape",
    )
    finite = bool(torch.isfinite(x).all() and torch.isfinite(y).all())
    require(finite, "the points are not finite; look for NaN or infinity in the states")
    require(0 < epsilon < math.inf, f"epsilon is {epsilon}, expected a positive and finite number")
    require(tolerance > 0, f"tolerance is {tolerance}, expected a positive number")
    wide_x, wide_y = (z.double().reshape(len(z), -1) for z in (x, y))
    if relative:
        with torch.no_grad():
            epsilon *= float(mean_square(wide_x, wide_y)) or 1.0
    u, v = weights_of(a, wide_x.detach()[:, 0], "a"), weights_of(b, wide_y.detach()[:, 0], "b")
    value, f, g = PointsValue.apply(wide_x, wide_y, u, v, epsilon, tolerance, max_iterations, False)
    half = (v.detach() @ g - u.detach() @ f) / 2
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return PointEntropic(*(z.to(dtype) for z in (f + half, g - half, value, value.new_tensor(epsilon))))


def mean_square(x: Tensor, y: Tensor) -> Tensor:
    """Mean of |x_i - y_j|^2 over all pairs."""
    gap = x.mean(0) - y.mean(0)
    spread = [(z - z.mean(0)).square().reshape(len(z), -1).sum(1).mean() for z in (x, y)]
    return gap.square().sum() + spread[0] + spread[1]


class PointsValue(torch.autograd.Function):
    """OT_eps for squared distances from coordinates, and its derivatives, in O(n + m) memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, a: Tensor, b: Tensor, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The dual's value and its potentials."""
        epsilon, tolerance, limit, own = options
        eps = torch.tensor(epsilon, dtype=torch.float64, device=x.device)
        rows, columns = weighing(a), weighing(b)
        given = Points(x, y, eps)
        source = Points(x if rows is None else x[rows], y if columns is None else y[columns], eps)
        if own:
            found = scale_symmetric(source, a, tolerance=tolerance, max_iterations=limit)
        else:
            found = scale(source, a, b, tolerance=tolerance, max_iterations=limit)
        if not bool(found.error <= tolerance):
            raise InvalidInput(
                f"the marginals of {len(x)} and {len(y)} points are still {float(found.error):.1e} off after "
                f"{limit} iterations at epsilon={epsilon:.3g}; raise epsilon or tolerance"
            )
        f = found.f if rows is None else torch.where(a > 0, found.f, given.soft(found.g + b.log()))
        g = found.g if columns is None else torch.where(b > 0, found.g, given.swapped().soft(found.f + a.log()))
        ctx.source, ctx.epsilon = given, epsilon
        ctx.save_for_backward(a, b, f, g)
        potentials = epsilon * f, epsilon * g
        ctx.mark_non_differentiable(*potentials)
        return a @ potentials[0] + b @ potentials[1], *potentials

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """dx_i = 2 sum_j P_ij (x_i - y_j), da = f."""
        a, b, f, g = ctx.saved_tensors
        source, scale_of = ctx.source, slopes[0]
        d_x = source.pull(f, g, a, b)
        d_y = source.swapped().pull(g, f, b, a)
        return scale_of * d_x, scale_of * d_y, scale_of * ctx.epsilon * f, scale_of * ctx.epsilon * g, *[None] * 4
