"""A trained network seen as a point process."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Events, Gen, require

__all__ = ["Decoder", "LogTime", "NetProcess"]

_LOOK = 16  # events between two looks at whether all rows have reached the end


@runtime_checkable
class Decoder(Protocol):
    """Outputs of a network to a law on the line with `log_prob`, `log_survival` and `sample`."""

    @property
    def outputs(self) -> int:
        """How many numbers one law takes."""
        ...

    def law(self, out: Any) -> Any:
        """The law that `[*B, outputs]` say."""
        ...


@dataclass(frozen=True)
class LogTime:
    """Waiting times in units a network likes: z = (log g - shift) / scale.

    Args:
        shift: Mean of the logarithms.
        scale: Their standard deviation, > 0.

    Example:
        >>> LogTime.fit(Events.at([[1.0, 3.0, 7.0]], end=8.0)).shift  # of log 1, log 2 and log 4
        0.6931471824645996
    """

    shift: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        require(self.scale > 0, f"LogTime.scale is {self.scale}, expected a positive number")

    @classmethod
    def fit(cls, events: Events) -> "LogTime":
        """Mean and deviation of what is in `events`, which hold two waiting times at least."""
        logs = events.gaps[events.real].log()
        require(len(logs) >= 2, f"LogTime.fit got {len(logs)} events, expected at least 2")
        return cls(float(logs.mean()), float(logs.std()))

    def forward(self, gaps: Tensor) -> Tensor:
        """Times to standardised logarithms; a time of 0 is that of the smallest normal float."""
        return (gaps.clamp_min(torch.finfo(gaps.dtype).tiny).log() - self.shift) / self.scale

    def log_slope(self, z: Tensor) -> Tensor:
        """log dz/dg."""
        return -(self.shift + self.scale * z) - torch.as_tensor(self.scale, dtype=z.dtype).log()

    def inverse(self, z: Tensor) -> Tensor:
        """Standardised logarithms to times."""
        return (self.shift + self.scale * z).exp()


@dataclass(frozen=True)
class NetProcess:
    r"""A network that says the law of the next waiting time, seen as a point process.

    .. math:: \log p(\text{events}) = \sum_i \log p(g_i \mid h_{i-1}) + \log S(t_\mathrm{end} - t_m \mid h_m), \qquad
              \log p(g \mid h) = \log p_z(z \mid h) + \log\frac{dz}{dg}

    with h what the network remembers. No intensity is integrated: the last term, that nothing happened until the end of
    the watch, is the tail of the law. Where the process is right, :math:`-\log S(g_i)` are independent draws of Exp(1).

    With marks every event carries a number y_i, such as a magnitude, which the network remembers, too:

    .. math:: \log p(\text{events}, \text{marks}) = \log p(\text{events}) + \sum_i \log p(y_i \mid h_{i-1})

    A mark does not depend on its own waiting time, given the past.

    Args:
        net: `net(z)` `[B, L]` gives `[B, L + 1, outputs]`, with `start` and `advance` for draws: `nets.EventGRU`. With
            marks it is told z and y, `[B, L, 2]`, and its last outputs are about the mark.
        decoder: What the outputs say of the next z.
        clock: Times to z.
        marks: What the outputs say of the next y; None for events without.

    Raises: `InvalidInput` for marks where it knows none, and without them where it does.
    """

    net: nn.Module
    decoder: Decoder
    clock: LogTime = LogTime()
    marks: Decoder | None = None

    def _told(self, events: Events, marks: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Waiting times as z, what is said of them, and what is said of marks."""
        z = self.clock.forward(torch.where(events.real, events.gaps, 1.0))
        if self.marks is None:
            require(marks is None, "this process knows no marks; give IntensityFree(marks=NormalMixtures(16)), or none")
            return z, self.net(z), None
        require(
            marks is not None and marks.shape == events.gaps.shape,
            f"this process has marks, got {None if marks is None else list(marks.shape)}, expected one for each of "
            f"{list(events.gaps.shape)} gaps",
        )
        assert marks is not None
        out = self.net(torch.stack([z, torch.where(events.real, marks, 0.0).to(z.dtype)], -1))
        return z, *self._parted(out)

    def _parted(self, out: Tensor) -> tuple[Tensor, Tensor]:
        return out[..., : self.decoder.outputs], out[..., self.decoder.outputs :]

    def log_prob(self, events: Events, marks: Float[Tensor, "b length"] | None = None) -> Float[Tensor, " b"]:
        """Log-density of every row, in nats, with times and marks in their own units."""
        z, out, told = self._told(events, marks)
        rows = self.decoder.law(out[:, :-1]).log_prob(z) + self.clock.log_slope(z)
        if self.marks is not None and marks is not None and told is not None:
            rows = rows + self.marks.law(told[:, :-1]).log_prob(torch.where(events.real, marks, 0.0))
        return torch.where(events.real, rows, 0.0).sum(1) + self._quiet(events, out)

    def _quiet(self, events: Events, out: Tensor) -> Tensor:
        """log S of the rest, of what is said after the last event."""
        last = out.gather(1, events.number[:, None, None].expand(-1, 1, out.shape[-1]))[:, 0]
        told = self.decoder.law(last).log_survival(self.clock.forward(events.rest))
        return torch.where(events.rest > 0, told, 0.0)

    def compensators(self, events: Events, marks: Float[Tensor, "b length"] | None = None) -> Float[Tensor, "b length"]:
        """-log S(g_i) of every event, the integral of the intensity since the one before; 0 in padded places."""
        z, out, _ = self._told(events, marks)
        return torch.where(events.real, -self.decoder.law(out[:, :-1]).log_survival(z), 0.0)

    def sample(self, n: int, end: float, *, generator: Gen = None, limit: int = 10_000) -> Events:
        """`n` rows watched from 0 to `end`; a row stops at `limit` events, and its watch with the last of them."""
        return self._drawn(n, end, generator, limit)[0]

    def sample_marked(
        self, n: int, end: float, *, generator: Gen = None, limit: int = 10_000
    ) -> tuple[Events, Float[Tensor, "n length"]]:
        """Rows as `sample` draws them, with their marks, 0 in padded places."""
        require(self.marks is not None, "this process knows no marks; use sample")
        events, marks = self._drawn(n, end, generator, limit)
        return events, torch.where(events.real, marks, 0.0)

    @torch.no_grad()
    def _drawn(self, n: int, end: float, generator: Gen, limit: int) -> tuple[Events, Tensor]:
        like = next(self.net.parameters())
        out, memory = self._recurrent.start(like.new_zeros(n))
        left = like.new_full((n,), end)
        gaps: list[Tensor] = []
        marks: list[Tensor] = []
        counts = torch.zeros(n, dtype=torch.int64, device=like.device)
        going = torch.ones(n, dtype=torch.bool, device=like.device)
        for k in range(limit):
            if k % _LOOK == 0 and not bool(going.any()):
                break
            said, told = self._parted(out)
            z = self.decoder.law(said).sample(generator=generator)
            gap = self.clock.inverse(z)
            going = going & (gap <= left)
            gaps.append(torch.where(going, gap, 1.0))
            left = torch.where(going, left - gap, left)
            counts += going
            if self.marks is not None:
                marks.append(self.marks.law(told).sample(generator=generator))
                z = torch.stack([z, marks[-1]], -1)
            out, memory = self._recurrent.advance(z, memory)
        events = Events(torch.stack(gaps, 1), counts, torch.where(counts < limit, left, 0.0))
        return events, torch.stack(marks, 1) if marks else torch.zeros_like(events.gaps)

    @property
    def _recurrent(self) -> Any:
        return self.net
