"""The network says the velocity and the score of a stochastic interpolant at once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Incompatible, Law, Path, Point, State, align, like, map_state, require
from pushforward.fields.ends import check_latent, per_gamma, regular_latent, require_latent
from pushforward.fields.stacked import Stacked, stack

__all__ = ["FlowAndScore"]

NEAR = 1e-6  # where what is 0 / 0 at the ends is read


@dataclass(frozen=True)
class FlowAndScore:
    r"""The network says the motion of the ends and the latent noise; velocity and score follow of one evaluation.

    .. math:: u \approx \mathrm E[\alpha' x_1 + \sigma' x_0 \,|\, x_t], \quad
              \eta \approx \mathrm E[z \,|\, x_t], \qquad
              v = u + \gamma' \eta, \quad s = -\eta / \gamma, \quad
              v + \epsilon s = u + \frac{\gamma\gamma' - \epsilon}{\gamma}\, \eta

    Both losses are bounded at the ends of a bridge, where :math:`\dot x_t` and s are not, so any law of times will do.
    But there :math:`\eta = -\gamma s` vanishes like a root, as no network that is smooth in time can, and the factor
    magnifies what it leaves: for `Brownian` noise and :math:`\epsilon = \varsigma^2/2` it is
    :math:`-\varsigma \sqrt{t / (1 - t)}`. So the network says :math:`\eta / r_t`, and the loss stays that of eta, with

    .. math:: r_t = \sqrt{\frac{t (1 - t)}{t (1 - t) + w^2}}

    after which velocity, score and drift of a Brownian bridge are finite on all of [0, 1]. That is eta itself for
    w = 0, and for large w the score, times :math:`-w \varsigma`.

    With the coupling `EntropicOT(2 sigma**2, relative=False)` and the latent `Brownian(sigma)` this is [SF]2M, and
    `FlowSDE(field, sigma**2 / 2)` the Schroedinger bridge of volatility sigma; so it is the stochastic interpolant's
    pair of losses under any other coupling.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797; Tong et
        al., Simulation-free Schroedinger bridges via score and flow matching (AISTATS 2024),
        https://arxiv.org/abs/2307.03672. Differs: both regress v itself, and the latter :math:`\tfrac12\varsigma^2 s`,
        with two networks; two that answer with `stack(a(x, t, cond), b(x, t, cond))` are one here, too.

    Args:
        weight: What the loss of eta counts, that of u being 1; >= 0.
        width: w >= 0: best the width of the narrower end over the volatility of the noise, or somewhat less; 0 lets the
            network say eta as it is, for latent noise that does not vanish at both ends.

    Shapes: the network gives `[B, 2 C, ...]` for states `[B, C, ...]`: u, then eta / r (`outputs=2` of the reference
        nets).
    Raises: `InvalidInput` for a weight or a width out of range; `Incompatible` (`check`) on a path without latent
        noise, and where a width meets noise that does not vanish.

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
    width: float = 0.1
    outputs = 2

    def __post_init__(self) -> None:
        require(0 <= self.weight < math.inf, f"FlowAndScore needs a finite weight >= 0, got {self.weight}")
        require(0 <= self.width < math.inf, f"FlowAndScore needs a finite width >= 0, got {self.width}")

    def span(self, path: Path) -> tuple[float, float]:
        """Where velocity and score are regular."""
        return regular_latent(path, self._share)

    def check(self, path: Path) -> None:
        """The path must have latent noise, and at the ends none where the answer has none."""
        check_latent(path, "FlowAndScore")
        gamma, _ = require_latent(path, "FlowAndScore")(torch.tensor([0.0, 1.0], dtype=torch.float64))
        require(
            self.width == 0 or bool((gamma <= 1e-6).all()),
            f"FlowAndScore(width={self.width}) takes eta to 0 at both ends, where this latent noise is "
            f"{gamma.tolist()}; use FlowAndScore(width=0)",
            Incompatible,
        )

    def law(self, out: State, x: State, t: Tensor) -> Stacked:
        """Two point estimates, of u and of eta / r."""
        return Stacked(out, (1.0, self.weight * self._share(t).square()))

    def target(self, path: Path, point: Point) -> State:
        """The motion of the ends, and the noise that was drawn over r."""
        require_latent(path, "FlowAndScore")
        assert point.latent is not None
        share = self._share(point.t)
        noise = map_state(lambda z: like(z / align(share, z), z), point.latent)
        return stack(path.velocity(point._replace(latent=None)), noise)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """u + gamma' eta."""
        return self.drift(path, law, x, t, torch.zeros_like(t))

    def drift(self, path: Path, law: Law, x: State, t: Tensor, push: Tensor) -> State:
        """Velocity + push score, `push` `[B]`."""
        t = self._inside(t)
        gamma, product = require_latent(path, "FlowAndScore")(t)
        motion, noise = Stacked(law.mean, (1.0, 1.0)).split(x)
        return map_state(torch.add, motion, per_gamma((product - push) * self._share(t), gamma, noise))

    def score(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """-eta / gamma."""
        t = self._inside(t)
        gamma, _ = require_latent(path, "FlowAndScore")(t)
        return per_gamma(-self._share(t), gamma, Stacked(law.mean, (1.0, 1.0)).split(x)[1])

    def _share(self, t: Tensor) -> Tensor:
        """r."""
        if self.width == 0:
            return torch.ones_like(t)
        t = self._inside(t)
        spread = t * (1.0 - t)
        return (spread / (spread + self.width**2)).sqrt()

    def _inside(self, t: Tensor) -> Tensor:
        """Times at which r / gamma is not 0 / 0."""
        return t if self.width == 0 else t.clamp(NEAR, 1 - NEAR)
