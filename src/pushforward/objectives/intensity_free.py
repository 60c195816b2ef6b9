"""Intensity-free learning of point processes: the likelihood of waiting times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from pushforward.core import Events, Gen, InvalidInput, Loss, Pairs, require_part
from pushforward.fields import Decoder, LogTime, NetProcess, NormalMixtures

__all__ = ["IntensityFree"]


@dataclass(frozen=True)
class IntensityFree:
    r"""Maximum likelihood for the law of the next waiting time given the history.

    .. math:: L(\theta) = -\frac{\sum_b \log p_\theta(\text{events}_b)}{\sum_b m_b}

    with m the numbers of events: nats an event over the batch, the silence at the end of every watch counted
    (`fields.NetProcess`).
    The law is a mixture of log-normals, or a flow on the logarithm (`SigmoidalFlows`). Events may carry a number each,
    a mark, whose law given the history before them is learned besides.

    Source: Shchur, Bilos & Guennemann, Intensity-Free Learning of Temporal Point Processes (ICLR 2020),
        https://arxiv.org/abs/1909.12127, without sum-of-squares polynomials; its marks are classes, here they are
        numbers. The authors' code once normalised row by row and left the last silence out; both change the figure,
        neither is done here.

    Args:
        decoder: What the network's outputs say.
        clock: Times to standardised logarithms; `LogTime.fit(events)` of the training events.
        marks: What the network's last outputs say of the next mark, in units in which marks are of the order of 1; None
            for events without.

    Shapes: the data end of the pairs is `Events._asdict()`, gaps `[B, L]`, and with marks besides them `marks`
        `[B, L]`, for a network that is told both (`EventGRU(objective.outputs, inputs=2)`); the source is not looked
        at.
    Raises: `Incompatible` at construction for a decoder that is none; `InvalidInput` for a batch that holds no events.

    Example:
        >>> objective = IntensityFree(NormalMixtures(4))
        >>> net = pf.nets.EventGRU(objective.outputs, width=8)
        >>> events = Events.at([[0.5, 2.0], [1.0]], end=3.0)
        >>> loss = objective(net, Pairs((events._asdict(), events._asdict())))
        >>> objective.process(net).sample(5, end=3.0).number.shape
        torch.Size([5])
    """

    decoder: Decoder = field(default_factory=NormalMixtures)
    clock: LogTime = field(default_factory=LogTime)
    marks: Decoder | None = None

    def __post_init__(self) -> None:
        require_part("IntensityFree.decoder", self.decoder, Decoder, "a decoder such as NormalMixtures(16)")
        require_part("IntensityFree.clock", self.clock, LogTime, "LogTime() or LogTime.fit(events)")
        if self.marks is not None:
            require_part("IntensityFree.marks", self.marks, Decoder, "a decoder such as NormalMixtures(16)")

    @property
    def outputs(self) -> int:
        """How many numbers the network says each time."""
        return self.decoder.outputs + (0 if self.marks is None else self.marks.outputs)

    def __call__(self, net: nn.Module, batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of sequences."""
        data: Any = batch.x1
        wanted = ["gaps", *(["marks"] if self.marks is not None else []), "number", "rest"]
        if not isinstance(data, Mapping) or sorted(data) != wanted:
            raise InvalidInput(
                f"the data are no events, a mapping with {', '.join(wanted)}; give Events(...)._asdict(), with marks "
                "where the objective has a decoder of marks"
            )
        events = Events(data["gaps"], data["number"], data["rest"])
        rows = -self.process(net).log_prob(events, data.get("marks"))
        share = events.number.to(rows.dtype).mean().clamp_min(1 / len(rows))
        return Loss.mean({"fit": rows / share}, batch.weight)

    def process(self, net: nn.Module) -> NetProcess:
        """The point process that `net` has learned."""
        return NetProcess(net, self.decoder, self.clock, self.marks)
