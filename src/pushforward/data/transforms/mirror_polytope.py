"""The mirror map of a polytope."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require
from pushforward.data.transforms.mirror_box import require_power, slack_floor
from pushforward.spaces import Polytope

__all__ = ["MirrorPolytope"]

ROUNDS = 60
HALVINGS = 12  # step sizes that are tried at once, 1 to 2^-11 of what leads to the wall
DECREASE = 1e-4


class MirrorPolytope(nn.Module):
    r"""`MirrorBox` for the polytope A x < b: the gradient of its regularised barrier.

    .. math:: y = x + \sum_i (b_i - a_i \cdot x)^{-\kappa}\, a_i, \qquad
              \frac{dy}{dx} = 1 + \kappa \sum_i (b_i - a_i \cdot x)^{-\kappa - 1} a_i a_i^\top

    Source: Guan, Balasubramanian & Ma, Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex
        Domains (ICLR 2026), https://arxiv.org/abs/2510.08929. The inverse minimises Psi(x) - x . y, which is strictly
        convex, by Newton's method from the centre of the largest ball inside; of the steps 1, 1/2, 1/4, ... of what
        Newton says (or of 99 % of the way to the wall) all are tried at once, and the longest that lowers it enough is
        taken: a fixed number of rounds, nothing waits for the device.

    Args:
        normals: A `[m, d]`; rows are scaled to unit length together with b.
        bounds: b `[m]`.
        power: kappa in (0, 1].

    Shapes: points are the last event axis, `d` long. Work is done in float64 where the device has it. The inverse is
        right to 1e-10 while the distances to the walls, about |y|^(-1 / power), are numbers beside 1 (|y| up to 30 for
        power 0.1, 1000 for 0.2 and more); further out it is inside, and need not be the point.
    Raises: `InvalidInput` for a power out of range, and as `spaces.Polytope` does.

    Example:
        >>> faces = torch.tensor([[-1.0, 0.0], [0.0, -1.0], [3.0, 4.0]])
        >>> mirror = MirrorPolytope(faces, torch.tensor([0.0, 0.0, 12.0]))
        >>> mirror.inverse(mirror.forward(torch.tensor([[0.5, 2.0]])))
        tensor([[0.5000, 2.0000]])
    """

    normals: Tensor
    bounds: Tensor

    def __init__(self, normals: Float[Tensor, "m d"], bounds: Float[Tensor, " m"], power: float = 0.3) -> None:
        super().__init__()
        require_power(self, power)
        self.space = Polytope.of(normals, bounds)
        self.power = power
        self.register_buffer("normals", normals)
        self.register_buffer("bounds", bounds)

    def _work(self, x: Tensor) -> Tensor:
        return x if x.device.type == "mps" else x.double()

    def _walls(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Unit normals, and the least slack, at which the Hessian's 1 is not lost beside its largest entries."""
        a = torch.tensor(self.space.normals, dtype=x.dtype, device=x.device)
        assert self.space.radius is not None
        least = slack_floor(x) ** (1 / (1 + self.power)) * self.space.radius
        return a, torch.as_tensor(least, dtype=x.dtype, device=x.device)

    def _gradient(self, x: Tensor, a: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
        slack = torch.maximum(-self.space.depths(x), least)
        return x + slack.pow(-self.power) @ a, slack

    def _hessian(self, a: Tensor, slack: Tensor) -> Tensor:
        weight = self.power * slack.pow(-self.power - 1)
        eye = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
        return eye + torch.einsum("...m,mi,mj->...ij", weight, a, a)

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """The gradient; data at a face are taken as a rounding error inside."""
        work = self._work(x)
        return self._gradient(work, *self._walls(work))[0].to(x.dtype)

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """Back into the polytope."""
        width = len(self.space.normals[0])
        require(y.shape[-1] == width, f"points have {y.shape[-1]} coordinates, expected {width}")
        z = self._work(y).reshape(-1, width)
        a, least = self._walls(z)
        assert self.space.centre is not None
        x = torch.tensor(self.space.centre, dtype=z.dtype, device=z.device).expand_as(z)
        shares = 0.5 ** torch.arange(HALVINGS, dtype=z.dtype, device=z.device)[:, None]
        for _ in range(ROUNDS):
            gradient, slack = self._gradient(x, a, least)
            factor = torch.linalg.cholesky_ex(self._hessian(a, slack)).L
            step = torch.cholesky_solve((z - gradient)[..., None], factor)[..., 0].nan_to_num(0.0, 0.0, 0.0)
            closing = step @ a.T  # how fast every slack shrinks
            # a slack at its least holds nobody back: its gradient is constant there, and the Hessian keeps steps small
            free = slack > least
            ahead = torch.where(free & (closing > 0), 0.99 * slack / closing, torch.inf)
            size = shares * ahead.amin(1).clamp_max(1)
            flat = size * ((x - z) * step).sum(1) + 0.5 * size.square() * step.square().sum(1)
            lost = size[..., None] * (closing / slack)
            steep = torch.where(free, self._barrier(slack, lost.clamp_max(0.999)), lost * slack.pow(1 - self.power))
            change = flat + steep.sum(-1)
            enough = change <= -DECREASE * size * ((z - gradient) * step).sum(1)
            chosen = torch.where(enough, size, 0.0).amax(0)
            x = x + chosen[:, None] * step
        return self.space.draw_in(x.reshape(y.shape).to(y.dtype))

    def _barrier(self, slack: Tensor, lost: Tensor) -> Tensor:
        """What the barrier grows by where slacks shrink by these shares of themselves."""
        k, ratio = 1 - self.power, torch.log1p(-lost)
        return -ratio if k == 0 else -slack.pow(k) * torch.expm1(k * ratio) / k

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Of the Hessian of the barrier."""
        work = self._work(x)
        a, least = self._walls(work)
        _, slack = self._gradient(work, a, least)
        factor = torch.linalg.cholesky_ex(self._hessian(a, slack)).L
        rows = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return rows[..., None].flatten(1).sum(1).to(x.dtype)
