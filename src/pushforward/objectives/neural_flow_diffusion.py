"""Neural flow diffusion: the forward process is learned with the denoiser, by a bound on the likelihood."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Gen, InvalidInput, Loss, Pairs, align, drop_condition, jvp, mean_rows, require
from pushforward.objectives.neural_path import NeuralPath
from pushforward.objectives.times import Draw, Independent

__all__ = ["NeuralDiffusion", "NeuralFlowDiffusion", "Volatility"]

EARLIEST = 0.05  # 1 / t in the first guess of the volatility is held before it


class Volatility(nn.Module):
    r"""A learned g_t > 0.

    .. math:: g_t = \delta^t \sqrt{2\,(1 / t + \log(1 / \delta))}\; e^{h_\phi(t)}

    h starts at 0, where this is the level that makes the bound tightest for the process without networks: the
    memoryless one, :math:`g^2 = 2 \sigma W / \alpha`, with 1 / t held at 20.

    Args:
        delta: Of the process.
        width: Units of the hidden layer of h.
    """

    def __init__(self, delta: float = 0.01, width: int = 32) -> None:
        super().__init__()
        self.delta = delta
        self.first = nn.Linear(1, width)
        self.last = nn.Linear(width, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """g at times `t`."""
        depth = math.log(1 / self.delta)
        first = (2 * (1 / t.clamp_min(EARLIEST) + depth)).sqrt()
        return first * (self.last(torch.tanh(self.first(t[:, None])))[:, 0] - depth * t).exp()


@dataclass(frozen=True)
class NeuralDiffusion:
    r"""The generative process of a denoiser and a learned forward process, as a flow and as an equation with noise.

    .. math::
        \hat x &= \frac{\alpha x + \sigma \sqrt{\alpha^2 + \sigma^2}\; \mathrm{net}(x, t)}{\alpha^2 + \sigma^2},
                  \qquad \alpha = t, \quad \sigma = \delta^t \\
        dx &= f(x, t, \hat x)\, dt \qquad \text{or} \qquad
              dx = \Big[f(x, t, \hat x) \pm \tfrac12 g_t^2\, \nabla \log q(x | \hat x)\Big] dt + g_t\, dW

    The first line is EDM's preconditioning for data of unit width, on the process without networks: an error of the
    network counts as little as the noise that is left. Like `fields.FlowSDE`: without a `direction` this is the flow,
    which solvers of flows follow; solvers of stochastic equations ask for the drift with `direction` and for
    `diffusion`. The bound is about the second equation; the flow has its marginals as far as motion and score are
    affine in x1, as they are without networks.

    Source: of the preconditioning Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models
        (NeurIPS 2022), https://arxiv.org/abs/2206.00364.

    Args:
        net: `net(x, t, cond)`, shaped like `x`.
        process: The forward process.
        volatility: g, from times `[B]` to `[B]`.

    Shapes: `x` `[B, *E]`, `t` and `direction` `[B]`.
    """

    net: Callable[..., Tensor]
    process: NeuralPath
    volatility: Callable[[Tensor], Tensor]

    def denoise(self, x: Float[Tensor, "b *e"], t: Float[Tensor, " b"], cond: Cond = None) -> Float[Tensor, "b *e"]:
        """xhat, of x1."""
        alpha = align(t, x)
        sigma = self.process.delta**alpha
        square = alpha.square() + sigma.square()
        return (alpha * x + sigma * square.sqrt() * self.net(x, t, cond)) / square

    def diffusion(self, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """g at times `t`."""
        return self.volatility(t)

    def __call__(
        self,
        x: Float[Tensor, "b *e"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        direction: Float[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b *e"]:
        """The motion of the flow; with a `direction` the drift of the equation that runs forwards or backwards."""
        motion, score = self.process.motion(x, t, self.denoise(x, t, cond), cond)
        if direction is None:
            return motion
        return motion + align(direction * self.volatility(t).square() / 2, x) * score


class NeuralFlowDiffusion(nn.Module):
    r"""Joint training of a denoiser and of the process it undoes, on a variational bound, without simulation.

    .. math:: L(\theta, \phi) = \mathrm{KL}\big(q_\phi(x_0 | x_1) \| N(0, I)\big) - \mathrm E \log p(x_1 | z_1)
              + \mathrm E_t \frac{\big|f^B(z_t, t, x_1) - f^B(z_t, t, \hat x_\theta(z_t, t))\big|^2}{2 g_t^2}
              \;\ge\; -\mathrm E \log p_\theta(x_1), \qquad
              f^B = f + \tfrac12 g_t^2 \nabla \log q_\phi

    with z_t = m + s x0 of the process. By Girsanov's theorem the last term is the divergence between the process given
    x1 and the one that is sampled, so -L bounds the likelihood for every g. It is given per coordinate: times d, in
    nats. The decoder p(x1 | z_1) is normal around z_1 with the width delta of the process; the first two terms are
    constants for `NeuralPath`, whose ends are fixed. With a process without networks

    .. math:: f^B(x_1) - f^B(\hat x) = c_t\, (x_1 - \hat x), \qquad c = \frac W\sigma + \frac{g^2 \alpha}{2 \sigma^2}

    is the denoising loss with another weight, which is least at the memoryless :math:`g^2 = 2\sigma W / \alpha`. There,
    with the exact denoiser, only the decoder is left between L and the entropy: per eigenvalue lambda of Gaussian data
    :math:`\tfrac12 \log(1 + \delta^2 / \lambda)` (derived: the last term is the mutual information of x1 and z_1).

    The optional penalty makes the trajectories of the flow straight, so that few steps follow them (NFDM-OT):

    .. math:: \lambda\, \mathrm E \Big|\frac{d}{dt} f\big(z, t, \hat x_\theta(z, t)\big)\Big|^2, \qquad dz = f\, dt

    Source: Bartosh, Vetrov & Naesseth, Neural Flow Diffusion Models (NeurIPS 2024), https://arxiv.org/abs/2404.12940;
        time runs the other way there. The parametrisations of m, s and g are ours.

    Args:
        process: The forward process; its weights are trained, averaged, kept and saved along with the network's.
        volatility: g: a number > 0, or a function of times `[B]`, which is trained too if it is a module; None for a
            learned `Volatility`.
        straightness: lambda, >= 0; per coordinate. Costs a second derivative.
        draw: How the uniform times are drawn.
        cond_drop: Probability of the null condition, for network and process.

    Shapes: `pairs` of `[B, *E]`, x0 standard normal and independent of x1; gives the terms "prior", "reconstruction",
        "drift" and, with a penalty, "straightness". The network is asked through `NeuralDiffusion`.
    Raises: `InvalidInput` for numbers out of range.

    Example:
        >>> smooth = lambda: pf.nets.MLP((2,), activation="silu")
        >>> objective = NeuralFlowDiffusion(pf.objectives.NeuralPath(smooth(), smooth()))
        >>> loss = objective(smooth(), Pairs((torch.randn(4, 2), torch.randn(4, 2))))
        >>> sorted(loss.terms)
        ['drift', 'prior', 'reconstruction']
    """

    reads_noise = True

    learns_path = True
    ties_noise = True

    def __init__(
        self,
        process: NeuralPath,
        volatility: float | Callable[[Tensor], Tensor] | None = None,
        straightness: float = 0.0,
        draw: Draw | None = None,
        cond_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if not callable(volatility) and volatility is not None:
            require(
                0 < volatility < math.inf, f"volatility is {volatility}, expected a number > 0, or null to learn it"
            )
        require(0 <= straightness < math.inf, f"straightness is {straightness}, expected a finite number >= 0")
        require(0 <= cond_drop <= 1, f"cond_drop is a probability, got {cond_drop}; choose one in [0, 1]")
        self.process = process
        self.volatility: Any = Volatility(process.delta) if volatility is None else volatility
        self.straightness = straightness
        self.draw = Independent() if draw is None else draw
        self.cond_drop = cond_drop

    def level(self, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """g at times `t`."""
        given: Any = self.volatility
        return torch.full_like(t, given) if isinstance(given, int | float) else given(t)

    def forward(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` and of the process on a batch of pairs."""
        x0, x1 = batch.x0, batch.x1
        if not (isinstance(x0, Tensor) and isinstance(x1, Tensor)):
            raise InvalidInput("NeuralFlowDiffusion takes tensors, got states with leaves; join them into one")
        t = self.draw(batch.size, x1, generator=generator)
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        mean, log_std = self.process.law(x1, t, cond)
        z = mean + log_std.exp() * x0
        model = self.field(net)
        guess = model.denoise(z, t, cond)
        push = align(self.level(t), z)
        true, said = (self._drift(z, t, end, cond, push) for end in (x1, guess))
        rows = {
            "prior": self._prior(x1, cond),
            "reconstruction": self._reconstruction(x0, x1, cond),
            "drift": mean_rows(((true - said) / push).square()) / 2,
        }
        if self.straightness > 0:
            rows["straightness"] = self.straightness * _bend(model, z, t, cond)
        return Loss.mean(rows, batch.weight)

    def _drift(self, z: Tensor, t: Tensor, x1: Tensor, cond: Cond, push: Tensor) -> Tensor:
        """f^B given x1."""
        motion, score = self.process.motion(z, t, x1, cond)
        return motion + push.square() / 2 * score

    def _prior(self, x1: Tensor, cond: Cond) -> Tensor:
        """KL of the law at t = 0 from N(0, I), per coordinate `[B]`."""
        mean, log_std = self.process.law(x1, x1.new_zeros(len(x1)), cond)
        return mean_rows((mean.square() + (2 * log_std).exp() - 1) / 2 - log_std)

    def _reconstruction(self, x0: Tensor, x1: Tensor, cond: Cond) -> Tensor:
        """Negative log-density of x1 around z_1, per coordinate `[B]`."""
        mean, log_std = self.process.law(x1, x1.new_ones(len(x1)), cond)
        scaled = (x1 - mean) / self.process.delta - (log_std.exp() / self.process.delta) * x0
        return mean_rows(scaled.square()) / 2 + math.log(self.process.delta) + math.log(2 * math.pi) / 2

    def field(self, net: nn.Module | Callable[..., Tensor]) -> NeuralDiffusion:
        """The generative process of `net`, a flow and an equation with noise."""
        return NeuralDiffusion(net, self.process, self.level)


def _bend(flow: NeuralDiffusion, z: Tensor, t: Tensor, cond: Cond) -> Tensor:
    """Squared acceleration of the flow, per coordinate `[B]`."""
    _, acceleration = jvp(lambda z, t: flow(z, t, cond), (z, t), (flow(z, t, cond), torch.ones_like(t)))
    return mean_rows(acceleration.square())
