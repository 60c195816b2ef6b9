"""Another schedule for a field that is already trained."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Cond, Field, Incompatible, Schedule, State, align, map_state, require, span_of
from pushforward.paths.schedules import Invertible

__all__ = ["Rescheduled"]

EARLIEST = 1e-4  # where an old schedule that starts at rest is asked: at 0 its velocity, 0, does not tell the ends


@dataclass(frozen=True)
class Rescheduled:
    r"""The field of schedule `new` made from a field that was trained with schedule `old`: nothing is retrained.

    At equal signal-to-noise ratio :math:`\rho` the two paths differ by a scale, :math:`\bar x_r = k_r x_{t_r}`, so

    .. math:: t_r = \rho^{-1}(\bar\rho(r)), \quad
              k_r = \frac{\bar\sigma_r}{\sigma_{t_r}} = \frac{\bar\alpha_r}{\alpha_{t_r}}, \quad
              \bar v(x, r) = \frac{k'_r}{k_r}\, x + k_r t'_r\, v\!\left(\frac{x}{k_r}, t_r\right), \quad
              t'_r = \frac{\bar W_r}{k_r^2 W_{t_r}} .

    The last form (derived: the ratio of d rho = W / sigma^2) is finite at both ends, where the textbook one is 0/0; the
    scale is taken from sigma in the noisy half and from alpha in the clean half for the same reason.

    With a head it takes diffusion models to any affine path and back (Diff2Flow), exactly where their ratios overlap:
    `Rescheduled(NetField(net, Noise(), Affine(old)), old, CondOT())` for a VP noise predictor, `Endpoint()` on
    `VarianceExploding` for a denoiser D(x; sigma) of EDM that is asked at sigma_t. Networks of discrete timesteps come
    in by `fields.adapters.from_diffusers`, as velocities of CondOT. What results is differentiable in the network's
    weights: a module whose `forward` calls it is fine-tuned by `FlowMatching`.

    Source: Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264, change of scheduler
        after training; Shaul et al., Bespoke Solvers (ICLR 2024), https://arxiv.org/abs/2310.19075; Schusterbauer et
        al., Diff2Flow (CVPR 2025), https://arxiv.org/abs/2506.02221.

    Args:
        field: Velocity of x_t = alpha x1 + sigma x0; no latent noise, any coupling.
        old: The schedule it was trained with; must know its inverse `time_at_snr`.
        new: The schedule to sample with. Where its ratio lies below all of `old`'s (VP starts at 0.0066), the state is
            only rescaled.

    Raises: `Incompatible` when `old` has no inverse, when the ratio of `new` does not rise (EncodingDecoding), or when
        `new` has no inverse and the field ends before the schedule does.

    Example:
        >>> from pushforward.paths import CondOT
        >>> still = Rescheduled(lambda x, t, cond=None: x, CondOT(), CondOT())
        >>> still(torch.ones(1, 2), torch.tensor([0.5]))
        tensor([[1., 1.]])
    """

    field: Field
    old: Schedule
    new: Schedule

    def __post_init__(self) -> None:
        require(
            isinstance(self.old, Invertible),
            f"changing the schedule needs old.time_at_snr, which {type(self.old).__name__} does not have",
            Incompatible,
        )
        c = self.new(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
        require(
            bool((c.wronskian > 0).all()),
            f"alpha / sigma of {type(self.new).__name__} does not rise all the way from 0 to 1, so no old time has "
            "the same ratio; give a schedule that mixes both ends, as CondOT()",
            Incompatible,
        )
        ends = span_of(self.field)
        require(
            ends == (0.0, 1.0) or isinstance(self.new, Invertible),
            f"this field may be followed from {ends[0]} to {ends[1]} only; to say where that is on "
            f"{type(self.new).__name__} needs new.time_at_snr, which it does not have",
            Incompatible,
        )

    @property
    def span(self) -> tuple[float, float]:
        """The times at which it may be followed: those of its field, on the new schedule."""
        low, high = (self._now(end) for end in span_of(self.field))
        return (low, high)

    def _now(self, then: float) -> float:
        """The new time at which the ratio is what it was at the old time `then`."""
        if then in (0.0, 1.0):
            return then
        assert isinstance(self.new, Invertible)
        c = self.old(torch.tensor([then], dtype=torch.float64))
        return float(self.new.time_at_snr(c.alpha / c.sigma).clamp(0.0, 1.0))

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """Velocity of the new path at `x` and its time `t`."""
        assert isinstance(self.old, Invertible)
        c = self.new(t)
        then = self.old.time_at_snr(c.alpha / c.sigma.clamp_min(0.0))  # rounding below 0 would mean pure noise
        inside = (then >= 0) & (then <= 1)
        then = then.clamp(0.0, 1.0)
        then = torch.where(self.old(then).wronskian > 0, then, EARLIEST)
        b = self.old(then)
        noisy = c.alpha < c.sigma
        k = torch.where(noisy, c.sigma / b.sigma, c.alpha / b.alpha)
        d_then = torch.where(inside, c.wronskian / (k * k * b.wronskian), 0.0)
        stretch = torch.where(
            noisy,
            c.d_sigma / c.sigma - d_then * b.d_sigma / b.sigma,
            c.d_alpha / c.alpha - d_then * b.d_alpha / b.alpha,
        )
        u = self.field(map_state(lambda p: p / align(k, p), x), then, cond)
        return map_state(lambda p, q: align(stretch, p) * p + align(k * d_then, q) * q, x, u)
