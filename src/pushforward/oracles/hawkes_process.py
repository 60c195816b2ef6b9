"""Events that call forth others."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Events, Gen, rand, require
from pushforward.oracles.event_draws import packed

__all__ = ["HawkesProcess"]


@dataclass(frozen=True)
class HawkesProcess:
    r"""The linear Hawkes process with exponential kernels, which starts without a past.

    .. math:: \lambda(t) = \mu + \sum_k \alpha_k \beta_k \sum_{t_j < t} e^{-\beta_k (t - t_j)}, \qquad
              \log p = \sum_i \log \lambda(t_i) - \mu\, t_\mathrm{end}
                       - \sum_{k, i} \alpha_k \big(1 - e^{-\beta_k (t_\mathrm{end} - t_i)}\big)

    so that :math:`\alpha_k` is the mean number of events an event calls forth. The inner sums over the past are one
    cumulative sum in logarithms.

    Source: Hawkes, Spectra of Some Self-Exciting and Mutually Exciting Point Processes, Biometrika 58 (1971),
        https://doi.org/10.1093/biomet/58.1.83; draws by the thinning of Ogata, On Lewis' Simulation Method for Point
        Processes, IEEE Trans. Inf. Theory 27 (1981), https://doi.org/10.1109/TIT.1981.1056305.

    Args:
        rate: mu, events per unit of time without any past, > 0.
        branching: alpha of every kernel, >= 0, with a sum below 1.
        decay: beta of every kernel, per unit of time, > 0.

    Raises: `InvalidInput` for parameters out of range.

    Example:
        >>> HawkesProcess(1.0, (0.0,), (1.0,)).log_prob(Events.at([[0.5]], end=2.0))
        tensor([-2.])
    """

    rate: float = 0.2
    branching: tuple[float, ...] = (0.8,)
    decay: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        require(
            len(self.branching) == len(self.decay) >= 1,
            f"got {len(self.branching)} branching numbers and {len(self.decay)} decays, expected as many of both",
        )
        require(
            self.rate > 0 and min(self.decay) > 0 and min(self.branching) >= 0 and sum(self.branching) < 1,
            f"HawkesProcess got rate={self.rate}, branching={self.branching}, decay={self.decay}; expected a rate and "
            "decays above 0, and branching numbers >= 0 whose sum is below 1, or events multiply without end",
        )

    def _parameters(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(
            torch.as_tensor(p, dtype=torch.float64, device=like.device) for p in (self.rate, self.branching, self.decay)
        )  # pyright: ignore[reportReturnType]

    def log_prob(self, events: Events) -> Float[Tensor, " b"]:
        """Log-density of every row, in nats; computed in float64."""
        return _log_prob(events, *self._parameters(events.gaps)).to(events.gaps.dtype)

    def compensators(self, events: Events) -> Float[Tensor, "b length"]:
        """Integral of the intensity since the event before; 0 in padded places."""
        rate, branching, decay = self._parameters(events.gaps)
        gaps, past = events.gaps.double(), _past(events, decay)
        after = torch.nn.functional.pad(past[:, :-1] + 1, (0, 0, 1, 0))  # right after the event before
        called = (branching * after * -torch.expm1(-decay * gaps[..., None])).sum(-1)
        return torch.where(events.real, rate * gaps + called, 0.0).to(events.gaps.dtype)

    def sample(self, n: int, end: float, *, generator: Gen = None) -> Events:
        """`n` rows watched from 0 to `end`, by thinning."""
        like = torch.empty(n, dtype=torch.float64)
        rate, branching, decay = self._parameters(like)
        t, past, found = torch.zeros_like(like), torch.zeros(n, len(decay), dtype=torch.float64), []
        while bool((t < end).any()):
            most = rate + past @ (branching * decay)  # the intensity only falls until the next event
            wait = torch.empty_like(like).exponential_(generator=generator) / most
            t, past = t + wait, past * (-decay * wait[:, None]).exp()
            taken = rand((n,), like, generator=generator) * most < rate + past @ (branching * decay)
            past = past + taken[:, None]
            found.append(torch.where(taken, t, torch.inf))
        return packed(torch.stack(found, 1), end, torch.get_default_dtype())

    @classmethod
    def fit(cls, events: Events, kernels: int = 1, *, steps: int = 60) -> "HawkesProcess":
        """The most likely one with so many kernels, by L-BFGS in float64 from decays a decade apart."""
        density = float(events.number.sum() / events.end.double().sum())
        share = torch.full((kernels + 1,), 1.0, dtype=torch.float64).log()
        scale = density * 10.0 ** torch.arange(kernels, dtype=torch.float64)
        free = [torch.tensor(density / 2, dtype=torch.float64).log(), share, scale.log()]
        free = [p.requires_grad_() for p in free]
        optimiser = torch.optim.LBFGS(free, max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

        def read() -> tuple[Tensor, Tensor, Tensor]:
            return free[0].exp(), free[1].softmax(0)[:-1], free[2].exp()

        def closure() -> Tensor:
            optimiser.zero_grad()
            loss = -_log_prob(events, *read()).sum() / events.number.sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        rate, branching, decay = (p.detach() for p in read())
        return cls(float(rate), tuple(branching.tolist()), tuple(decay.tolist()))


def _past(events: Events, decay: Tensor) -> Tensor:
    """The sum over earlier events of exp(-beta (t_i - t_j)), `[B, L, K]`."""
    gaps = torch.where(events.real, events.gaps, 0.0).double()
    clock = decay * gaps.cumsum(1)[..., None]
    earlier = clock.logcumsumexp(1)[:, :-1]
    return torch.nn.functional.pad((earlier - clock[:, 1:]).exp(), (0, 0, 1, 0))


def _log_prob(events: Events, rate: Tensor, branching: Tensor, decay: Tensor) -> Tensor:
    real, left = events.real, (events.end[:, None] - events.times).double()
    intensity = rate + _past(events, decay) @ (branching * decay)
    called = -(branching * torch.expm1(-decay * left[..., None])).sum(-1)
    return torch.where(real, intensity.log() - called, 0.0).sum(1) - rate * events.end.double()
