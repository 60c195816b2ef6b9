"""The flow of Gaussian data, in closed form."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import (
    AffinePath,
    Coeffs,
    Cond,
    Incompatible,
    State,
    broadcast_time,
    like,
    require,
    shapes,
    time_dtype,
)
from pushforward.fields.ends import require_affine
from pushforward.spaces import has_normal_noise, noise_of

__all__ = ["GaussianFlow"]


class GaussianFlow(nn.Module):
    r"""The flow of the Gaussian with the mean and covariance of the data: a flow map without steps.

    .. math:: X_{s,t}(x) = \alpha_t m + C_t^{1/2} C_s^{-1/2} (x - \alpha_s m), \qquad
              C_t = \alpha_t^2 S + \sigma_t^2 I, \qquad S = \sum_k \lambda_k u_k u_k^\top

    Exact on Gaussian data for every s and t. Any data look Gaussian through enough noise, so that it stands in for a
    trained field at early times; `skip_errors` measures until when, and `Skip` starts there. With r < d axes the
    directions outside have lambda = 0. Its parts are fields and functions of x and t: `velocity`, `score`, `endpoint`.

    Source: Wang & Vastola, Diffusion Models Generate Images Like Painters (2023), https://arxiv.org/abs/2303.02490.

    Args:
        path: Affine without latent noise; the source is standard normal and independent of the data.
        means: `[L, *E]`, in the units that the field speaks: of all data, then of each label where there are some.
        axes: Unit vectors u `[L, r, d]`, rows orthogonal (or zero, with variance zero).
        variances: lambda `[L, r]`, >= 0.

    Shapes: `x` `[B, *E]`, `s` and `t` `[B]` or one number in [0, 1]; work is done in the dtype of the means, answers
        have that of `x`. `cond` `[B]` of int64 picks the label's Gaussian; -1, None and vectors that of all data.
        Where C_s has no width (s = 1 outside the axes) offsets, 0 on the data, are left as they are.
    Raises: `Incompatible` at construction for a path that is not affine, has latent noise or other than normal noise;
        `InvalidInput` for shapes that do not fit.

    Example:
        >>> flow = GaussianFlow.of(torch.tensor([[1.0, 2.0], [3.0, 2.0]]), pf.paths.Affine())
        >>> flow(torch.ones(1, 2), 0.0, 1.0)                            # mean (2, 2), deviations (1, 0)
        tensor([[3., 2.]])
    """

    means: Tensor
    axes: Tensor
    variances: Tensor

    def __init__(self, path: AffinePath, means: Tensor, axes: Tensor, variances: Tensor) -> None:
        super().__init__()
        self.path = require_affine(path, "GaussianFlow")
        require(
            has_normal_noise(path.space),
            f"GaussianFlow starts from normal noise, the path's space has {noise_of(path.space)}; use Euclidean() "
            "there",
            Incompatible,
        )
        width = means[0].numel() if len(means) else 0
        require(
            axes.shape == (len(means), *axes.shape[1:2], width) and variances.shape == axes.shape[:2],
            f"means, axes and variances are {list(means.shape)}, {list(axes.shape)} and {list(variances.shape)}, "
            f"expected [L, *E], [L, r, {width}] and [L, r]",
        )
        self.register_buffer("means", means)
        self.register_buffer("axes", axes)
        self.register_buffer("variances", variances)

    @classmethod
    def of(
        cls, x1: Tensor, path: AffinePath, *, labels: Tensor | None = None, rank: int | None = None
    ) -> "GaussianFlow":
        """The flow of the moments of rows of data.

        Args:
            x1: Rows `[N, *E]`, in the units that the field speaks (`flow.frame_.transform.forward(data)`).
            path: The path of the flow.
            labels: `[N]` int64 from 0; gives every label the Gaussian of its own rows.
            rank: Axes to keep, those of largest variance; None keeps all d. Take N well above it: the moments of few
                rows are those of these rows, not of the law they came from.
        """
        rows = x1.detach().flatten(1).double().cpu()
        require(len(rows) >= 1 and rows.shape[1] >= 1, f"x1 has shape {list(x1.shape)}, expected rows of numbers")
        parts = [rows]
        if labels is not None:
            marks = labels.cpu()
            counts = torch.bincount(marks)
            require(bool((counts > 0).all()), f"label {int(counts.argmin())} has no rows; number the labels 0, 1, ...")
            parts += [rows[marks == label] for label in range(len(counts))]
        d = rows.shape[1]
        keep = min(d if rank is None else rank, len(rows))
        return cls._kept([_moments(part, keep) for part in parts], path, x1, rank)

    @classmethod
    def from_moments(
        cls, mean: Tensor, covariance: Tensor, path: AffinePath, *, rank: int | None = None
    ) -> "GaussianFlow":
        """The flow of a mean `[*E]` and a covariance `[d, d]`."""
        variances, vectors = torch.linalg.eigh(covariance.detach().double().cpu())
        return cls._kept([(mean.detach().flatten().double().cpu(), vectors.mT, variances)], path, mean[None], rank)

    @classmethod
    def _kept(
        cls, found: list[tuple[Tensor, Tensor, Tensor]], path: Any, rows: Tensor, rank: int | None
    ) -> "GaussianFlow":
        """Moments with axes in rising order of variance, cut to `rank`, in the dtype and on the device of `rows`."""
        d = rows[0].numel()
        r = d if rank is None else rank
        require(1 <= r <= d, f"rank is {rank}, expected 1 to {d}, or None for all axes")
        short = min(r, *(len(variances) for _, _, variances in found))
        make = lambda parts: torch.stack(parts).to(rows.device, time_dtype(rows))
        return cls(
            path,
            make([mean for mean, _, _ in found]).reshape(-1, *rows.shape[1:]),
            make([axes[-short:] for _, axes, _ in found]),
            make([variances[-short:].clamp_min(0) for _, _, variances in found]),
        )

    def forward(self, x: State, s: Tensor | float, t: Tensor | float, cond: Cond = None) -> Tensor:
        """Arrival at time `t` of what is at `x` at time `s`; s > t is allowed."""
        here, there = self._coeffs(x, s), self._coeffs(x, t)
        stretch = lambda v: _over(_width(there, v), _width(here, v), otherwise=1.0).sqrt()
        return self._affine(x, cond, here.alpha, there.alpha, stretch)

    def draw(self, noise: State, t: Tensor | float, cond: Cond = None) -> Tensor:
        r"""Standard `noise` as a draw of x_t, :math:`\alpha_t m + C_t^{1/2}` noise: where it has come from time 0.

        This is X_{0,t} of noise where alpha_0 = 0 and sigma_0 = 1, and starts from the right law where they are not.
        """
        c = self._coeffs(noise, t)
        return self._affine(noise, cond, torch.zeros_like(c.alpha), c.alpha, lambda v: _width(c, v).sqrt())

    def noise(self, x: State, t: Tensor | float, cond: Cond = None) -> Tensor:
        """What `draw` turns into `x`."""
        c = self._coeffs(x, t)
        return self._affine(x, cond, c.alpha, torch.zeros_like(c.alpha), lambda v: _over(1.0, _width(c, v)).sqrt())

    def velocity(self, x: State, t: Tensor | float, cond: Cond = None) -> Tensor:
        r"""The field: :math:`\alpha' m + (\alpha\alpha' S + \sigma\sigma' I)\, C_t^{-1} (x - \alpha m)`."""
        c = self._coeffs(x, t)
        slope = lambda v: _over(c.alpha * c.d_alpha * v + c.sigma * c.d_sigma, _width(c, v))
        return self._affine(x, cond, c.alpha, c.d_alpha, slope)

    def endpoint(self, x: State, t: Tensor | float, cond: Cond = None) -> Tensor:
        r"""The denoiser E[x1 | x_t = x]: :math:`m + \alpha S\, C_t^{-1} (x - \alpha m)`."""
        c = self._coeffs(x, t)
        return self._affine(x, cond, c.alpha, torch.ones_like(c.alpha), lambda v: _over(c.alpha * v, _width(c, v)))

    def score(self, x: State, t: Tensor | float, cond: Cond = None) -> Tensor:
        r"""grad log p_t: :math:`-C_t^{-1} (x - \alpha m)`."""
        c = self._coeffs(x, t)
        return self._affine(x, cond, c.alpha, torch.zeros_like(c.alpha), lambda v: -_over(1.0, _width(c, v)))

    def _coeffs(self, x: State, t: Tensor | float) -> Coeffs:
        """The path's coefficients `[B, 1, 1]`, in the working dtype."""
        found = self.path.coeffs(broadcast_time(t, x))
        return Coeffs(*(part.to(self.means.dtype)[:, None, None] for part in found))

    def _affine(
        self, x: State, cond: Cond, before: Tensor, after: Tensor, f: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b *e"]:
        """after m + f(S) (x - before m), with f of every eigenvalue of S, the zeros outside the axes included."""
        shape, (labels, r, d) = self.means.shape[1:], self.axes.shape
        require(
            isinstance(x, Tensor) and x.shape[1:] == shape,
            f"x is {shapes(x)}, these moments are those of [B, {', '.join(map(str, shape))}]",
        )
        assert isinstance(x, Tensor)
        label = self._label(x, cond)
        mean = self.means.flatten(1)[label]
        offset = x.to(mean.dtype).flatten(1) - before[:, 0] * mean
        # of all labels' axes at once, all but the row's own masked: gathering them would take B r d numbers
        own = nn.functional.one_hot(label, labels).to(mean.dtype)[:, :, None]
        axes = self.axes.flatten(0, 1)
        parts = own * (offset @ axes.mT).unflatten(1, (labels, r))
        moved = (f(self.variances) * parts).flatten(1) @ axes
        if r < d:
            rest = offset - parts.flatten(1) @ axes
            moved = moved + f(self.variances.new_zeros(1, 1))[:, :, 0] * rest
        return like((after[:, 0] * mean + moved).reshape(x.shape), x)

    def _label(self, x: Tensor, cond: Cond) -> Tensor:
        """The row of the table for every row of `x`."""
        known = len(self.means) - 1
        if known == 0 or not isinstance(cond, Tensor) or cond.is_floating_point():
            return torch.zeros(len(x), dtype=torch.int64, device=x.device)
        require(cond.shape == x.shape[:1], f"cond has shape {list(cond.shape)}, expected labels of shape [{len(x)}]")
        return cond + 1


def _width(c: Coeffs, v: Tensor) -> Tensor:
    """The variance at the time of `c` along an axis where that of the data is `v`."""
    return c.alpha**2 * v + c.sigma**2


def _over(a: Tensor | float, b: Tensor, *, otherwise: float = 0.0) -> Tensor:
    """a / b, and `otherwise` where b is 0."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1.0), otherwise)


def _moments(rows: Tensor, keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, axes `[r, d]` and variances of rows `[N, d]`, rising; r is d, or at least `keep`."""
    n, d = rows.shape
    mean = rows.mean(0)
    spread = (rows - mean) / n**0.5
    if n >= d or n < keep:
        variances, vectors = torch.linalg.eigh(spread.mT @ spread)
        return mean, vectors.mT, variances
    variances, vectors = torch.linalg.eigh(spread @ spread.mT)
    solid = variances > n * torch.finfo(rows.dtype).eps * variances[-1]
    root = torch.where(solid, variances, 1.0).sqrt()
    axes = torch.where(solid[:, None], (vectors.mT @ spread) / root[:, None], 0.0)  # a null vector has no direction
    return mean, axes, torch.where(solid, variances, 0.0)
