"""What a training run is told: plain numbers, written in YAML under `training:`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pushforward.core import nearest, require

__all__ = ["PRECISIONS", "Training"]

PRECISIONS = ("32-true", "64-true", "bf16-mixed")  # float16 would need a loss scale and its state in checkpoints


def _fraction(value: float) -> bool:
    return 0 <= value < 1


_NUMBERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "steps": (lambda v: v >= 1, "at least 1"),
    "batch_size": (lambda v: v >= 1, "at least 1"),
    "learning_rate": (lambda v: 0 < v < math.inf, "a positive number"),
    "final_learning_rate": (lambda v: 0 <= v < math.inf, "0 or a positive number, or null for no decay"),
    "warmup": (lambda v: v >= 0, "0 or more steps"),
    "weight_decay": (lambda v: 0 <= v < math.inf, "0 or a positive number"),
    "betas": (lambda v: len(v) == 2 and all(map(_fraction, v)), "two numbers in [0, 1)"),
    "gradient_clip": (lambda v: 0 < v < math.inf, "a positive norm, or null for no clipping"),
    "ema": (_fraction, "in [0, 1), or null for no average"),
    "devices": (lambda v: v >= 1, "at least 1"),
    "log_every": (lambda v: v >= 1, "at least 1"),
    "checkpoint_every": (lambda v: v >= 1, "at least 1"),
    "keep_checkpoints": (lambda v: v >= 1, "at least 1"),
    "sample_every": (lambda v: v >= 1, "at least 1, or null for never"),
    "validate_every": (lambda v: v >= 1, "at least 1, or null for never"),
    "validation_batches": (lambda v: v >= 1, "at least 1"),
    "stop_after": (lambda v: v >= 1, "at least 1 validation, or null for never"),
    "coupling_batches": (lambda v: v >= 1, "at least 1"),
    "workers": (lambda v: v >= 0, "0 or more, or null to decide by measurement"),
    "threads": (lambda v: v >= 1, "at least 1, or null for the usual"),
}
_OPTIONAL = (
    "final_learning_rate",
    "gradient_clip",
    "ema",
    "sample_every",
    "validate_every",
    "stop_after",
    "workers",
    "threads",
)


@dataclass(frozen=True)
class Training:
    r"""How long, how fast, and how safely to train.

    AdamW with the learning rate, for update :math:`k = 0, 1, \dots` of :math:`n` with :math:`w` steps of warm-up,

    .. math:: \eta_k = \eta \frac{k + 1}{w} \ (k < w), \qquad
              \eta_k = \eta_\mathrm{end} + \tfrac12 (\eta - \eta_\mathrm{end})
                       \Big(1 + \cos \pi \frac{k - w}{n - w}\Big) \ (k \ge w)

    Sources: Loshchilov & Hutter, Decoupled Weight Decay Regularization (ICLR 2019), https://arxiv.org/abs/1711.05101,
        and SGDR (ICLR 2017), https://arxiv.org/abs/1608.03983, one period.

    Args:
        steps: Number of updates.
        batch_size: Rows of an update, over all devices together.
        learning_rate: Peak rate :math:`\eta`.
        final_learning_rate: Where the cosine ends; None keeps the peak rate after the warm-up.
        warmup: Steps of linear warm-up.
        weight_decay: Decoupled decay, times the learning rate.
        betas: AdamW's averaging of the gradient and of its square.
        gradient_clip: Largest norm of the whole gradient; None leaves it alone.
        ema: Decay of the averaged weights, which are what is sampled; None uses the last weights.
        precision: One of `PRECISIONS`.
        compile: Compile the net with `torch.compile` (pays off on long runs).
        channels_last: Keep image weights in that memory format (pays off for convolutions).
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        devices: How many of them; each takes an equal share of the batch.
        log_every: Steps between two lines of metrics.
        checkpoint_every: Steps between two checkpoints.
        keep_checkpoints: How many of the newest checkpoints stay.
        sample_every: Steps between two calls of `on_sample`; None for never.
        validate_every: Steps between two validations of the averaged weights; None for never.
        validation_batches: Batches of a validation, the same draws each time.
        stop_after: Stop after so many validations without a better one and go back to the best weights, so that a
            run ends before it memorises; None runs through and keeps the last weights.
        coupling_batches: Batches that are coupled together: one plan over so many times `batch_size` rows feeds as many
            steps.
        workers: Processes that prepare batches ahead; 0 prepares them between the steps, None measures what pays. The
            batches are the same.
        threads: Threads of torch's operators on the CPU; None takes one where the work of a step is too small to share
            (parameters times rows below 2^25), and torch's own number elsewhere.

    Raises: `InvalidInput` for a value out of range.

    Example:
        >>> settings = Training(steps=100, learning_rate=0.1, warmup=10)
        >>> [round(settings.rate(k), 4) for k in (0, 9, 55, 99)]
        [0.01, 0.1, 0.05, 0.0]
    """

    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 1e-3
    final_learning_rate: float | None = 0.0
    warmup: int = 0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    gradient_clip: float | None = 1.0
    ema: float | None = 0.999
    precision: str = "32-true"
    compile: bool = False
    channels_last: bool = False
    device: str = "auto"
    devices: int = 1
    log_every: int = 50
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    sample_every: int | None = None
    validate_every: int | None = None
    validation_batches: int = 8
    stop_after: int | None = None
    coupling_batches: int = 1
    workers: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, (valid, wanted) in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                require(valid(value), f"training.{name} is {value}, expected {wanted}")
        require(
            self.precision in PRECISIONS,
            f"training.precision is {self.precision!r}, which is not known; {nearest(self.precision, PRECISIONS)}",
        )
        kind, _, index = self.device.partition(":")
        require(
            kind in ("auto", "cpu", "cuda", "mps") and (not index or (kind == "cuda" and index.isdecimal())),
            f"training.device is {self.device!r}, expected auto, cpu, cuda, cuda:<number> or mps",
        )
        require(
            not index or self.devices == 1,
            f"training.device {self.device!r} names one device, training.devices is {self.devices}; drop the number",
        )
        require(
            self.batch_size % self.devices == 0,
            f"training.batch_size {self.batch_size} cannot be shared equally by {self.devices} devices; "
            f"use {self.batch_size + -self.batch_size % self.devices}",
        )
        require(
            self.stop_after is None or self.validate_every is not None,
            "training.stop_after counts validations, but training.validate_every is null; set it too",
        )

    def rate(self, step: int) -> float:
        """Learning rate of update `step`, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.final_learning_rate is None:
            return self.learning_rate
        done = (step - self.warmup) / (self.steps - self.warmup)
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * (
            0.5 + 0.5 * math.cos(math.pi * done)
        )
