"""The network says the velocity and the score of a stochastic interpolant at once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Law, Path, Point, State, map_state, require
from pushforward.fields.ends import per_gamma, regular_latent, require_latent
from pushforward.fields.stacked import Stacked, stack

__all__ = ["FlowAndScore"]


@dataclass(frozen=True)
class FlowAndScore:
    r"""The network says the motion of the ends and the latent noise; velocity and score follow of one evaluation.

    .. math:: u_\theta \approx \mathrm E[\alpha' x_1 + \sigma' x_0 \,|\, x_t], \quad
              \eta_\theta \approx \mathrm E[z \,|\, x_t], \qquad
              v = u + \gamma' \eta, \quad s = -\eta / \gamma, \quad
              v + \epsilon s = u + \frac{\gamma\gamma' - \epsilon}{\gamma}\, \eta

    Both targets are bounded at the ends of a bridge, where :math:`\dot x_t` and s are not, so any law of times will do.
    For `Brownian` noise and :math:`\epsilon = \varsigma^2/2` the last factor is
    :math:`-\varsigma \sqrt{t / (1 - t)}`: the forward equation starts at t = 0 as it is.

    With the coupling `EntropicOT(2 sigma**2, relative=False)` and the latent `Brownian(sigma)` this is [SF]2M, and
    `FlowSDE(field, sigma**2 / 2)` the Schroedinger bridge of volatility sigma; so it is the stochastic interpolant's
    pair of losses under any other coupling.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797; Tong et
        al., Simulation-free Schroedinger bridges via score and flow matching (AISTATS 2024),
        https://arxiv.org/abs/2307.03672. Differs: both regress v itself, and the latter :math:`\tfrac12\varsigma^2 s`,
        with two networks, which `stack` makes one of.

    Args:
        weight: What the loss of eta counts, that of u being 1; >= 0.

    Shapes: the network gives `[B, 2 C, ...]` for states `[B, C, ...]`: u, then eta (`outputs=2` of the reference nets).
    Raises: `Incompatible` (`check`) on a path without latent noise.

    Example:
        >>> path = pf.paths.Affine(latent=pf.paths.Brownian(0.5))
        >>> field = pf.fields.NetField(pf.nets.MLP((2,), outputs=2), FlowAndScore(), path)
        >>> bridge = pf.fields.FlowSDE(field, eps=0.5**2 / 2)
        >>> x, t = torch.zeros(3, 2), torch.full((3,), 0.5)
        >>> v, s, b = field(x, t), field.score(x, t), bridge(x, t, direction=torch.ones(3))
        >>> torch.allclose(b, v + 0.125 * s, atol=1e-6)
        True
    """

    weight: float = 1.0
    outputs = 2

    def __post_init__(self) -> None:
        require(0 <= self.weight < math.inf, f"FlowAndScore needs a finite weight >= 0, got {self.weight}")

    def span(self, path: Path) -> tuple[float, float]:
        """Where velocity and score are regular."""
        return regular_latent(path)

    def check(self, path: Path) -> None:
        """The path must have latent noise."""
        require_latent(path, "FlowAndScore")

    def law(self, out: State, x: State, t: Tensor) -> Stacked:
        """Two point estimates."""
        return Stacked(out, (1.0, self.weight))

    def target(self, path: Path, point: Point) -> State:
        """The motion of the ends, and the noise that was drawn."""
        require_latent(path, "FlowAndScore")
        assert point.latent is not None
        return stack(path.velocity(point._replace(latent=None)), point.latent)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """u + gamma' eta."""
        return self.drift(path, law, x, t, torch.zeros_like(t))

    def score(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """-eta / gamma."""
        gamma, _ = require_latent(path, "FlowAndScore")(t)
        return per_gamma(-torch.ones_like(gamma), gamma, self._split(law, x)[1])

    def drift(self, path: Path, law: Law, x: State, t: Tensor, push: Tensor) -> State:
        """Velocity + push score, `push` `[B]`."""
        gamma, product = require_latent(path, "FlowAndScore")(t)
        motion, noise = self._split(law, x)
        return map_state(torch.add, motion, per_gamma(product - push, gamma, noise))

    def _split(self, law: Law, x: State) -> tuple[State, ...]:
        return Stacked(law.mean, (1.0, self.weight)).split(x)
