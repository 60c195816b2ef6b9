"""From data to data: moons become eight Gaussians, noughts become ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import override
from pushforward.core import Field
from pushforward.data import MNIST, Arrays, Loader
from pushforward.flow import Flow
from pushforward.metrics import wasserstein
from pushforward.recipes import load
from pushforward.report import png, trajectories
from pushforward.solvers import RK4, solve
from pushforward.training import atomic_write

__all__ = ["Transfer"]

PLANE, IMAGES = "moons -> 8 gaussians", "digits 0 -> 1"


@dataclass(frozen=True)
class Transfer:
    """`Flow.transport` between two data sets, with minibatch optimal transport, of rows that were held out.

    On the plane, `wasserstein` to fresh rows of the target beside that of two draws of it (`wasserstein_floor`).
    Images: the share of transported noughts that five neighbours among real digits 0 and 1 call a one
    (`called_target`), of real held-out ones (`real_called_target`), and the root mean square per pixel that an image
    is moved, beside that to a random one (`moved`, `moved_at_random`), in units of the pixel range. `back` is the root
    mean square of what the way there and back, by RK4 in 40 steps each, changes in model units.

    Args:
        steps: Of both trainings.
        points: On the plane, on each side.
        images: Where digits come from.
        seeds: Of training.

    Writes `transfer_plane.png` and `transfer_images.png` of the first seed.
    """

    steps: tuple[int, int] = (6000, 600)
    points: int = 2000
    images: Loader = field(default_factory=MNIST)
    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """The plane, then images, one seed after the other."""
        for seed in self.seeds:
            for case, run in ((PLANE, self._plane), (IMAGES, self._images)):
                values, name, picture = run(seed)
                job.say(f"transfer: {case}, seed {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                full = self.steps == Transfer.steps
                told = case if full else f"{case}, quick ({self.steps[case == IMAGES]} steps)"
                yield [
                    Result("transfer", told, "Flow.transport, ExactOT", k, v, "", seed, "ours")
                    for k, v in values.items()
                ]
                if seed == self.seeds[0]:
                    atomic_write(job.out / name, picture)

    def _plane(self, seed: int) -> tuple[dict[str, float], str, bytes]:
        change = {
            "seed": seed,
            "data": {"type": "Toy", "source": "Moons", "target": "EightGaussians"},
            "training.steps": self.steps[0],
            "training.warmup": min(500, self.steps[0]),
        }
        flow = Flow(override(load("8gaussians_to_moons"), change)).fit()
        data: Any = flow.dataset()
        x0 = data.source.take(self.points, seed + 1)[0]
        real, other = (data.train.take(self.points, seed + k)[0] for k in (2, 3))
        values = {
            "wasserstein": wasserstein(flow.transport(x0), real),
            "wasserstein_floor": wasserstein(other, real),
            "back": back(flow, x0),
        }
        return values, "transfer_plane.png", way(flow, x0[:200])

    def _images(self, seed: int) -> tuple[dict[str, float], str, bytes]:
        data = self.images.load()
        train, test = (_noughts_and_ones(part) for part in (data.train, data.test))
        settings = {"steps": self.steps[1], "batch_size": 64, "learning_rate": 1e-3, "ema": 0.99, "threads": 1}
        net = {"type": "UNet", "width": 16} if train[1].shape[-1] > 8 else "ResidualMLP"
        flow = Flow(coupling="ExactOT", net=net, training=settings, transform=data.transform, seed=seed)
        flow.fit(train[1], train[0])
        x0, x1 = test[0][:200], test[1][:200]
        moved = flow.transport(x0, solver="Heun", steps=20)
        rows = torch.cat([train[0][:1000], train[1][:1000]]).flatten(1)
        answers = torch.arange(2).repeat_interleave(torch.tensor([len(part[:1000]) for part in train]))
        judge = KNeighborsClassifier(5).fit(rows.numpy(), answers.numpy())
        span = float(rows.max() - rows.min())
        off = lambda a, b: float((a - b).square().mean().sqrt()) / span
        n = min(len(x0), len(x1))
        values = {
            "called_target": float(judge.predict(moved.flatten(1).numpy()).mean()),
            "real_called_target": float(judge.predict(x1.flatten(1).numpy()).mean()),
            "moved": off(moved, x0),
            "moved_at_random": off(x1[:n], x0[:n]),
            "back": back(flow, x0[:20]),
        }
        return values, "transfer_images.png", way(flow, x0[:12], steps=8)


def _noughts_and_ones(part: Any) -> tuple[Tensor, Tensor]:
    assert isinstance(part, Arrays)
    x, labels = part.x, part.cond
    assert isinstance(x, Tensor)
    assert isinstance(labels, Tensor)
    return tuple(x[labels == k].to(torch.get_default_dtype()) for k in (0, 1))  # pyright: ignore[reportReturnType]


def back(flow: Flow, x0: Tensor) -> float:
    """Root mean square of what a way there and back changes, in model units: pixels are not clipped between."""
    units: Any = flow.frame_.transform
    start, times = units.forward(x0), torch.linspace(0, 1, 41)
    with torch.no_grad():
        there = solve(flow.field_, start, times, solver=RK4()).x
        again = solve(flow.field_, there, times.flip(0), solver=RK4()).x
    assert isinstance(again, Tensor)
    return float((again - start).square().mean().sqrt())


def way(flow: Flow, x0: Tensor, steps: int = 40) -> bytes:
    """A PNG of the states between, in model units."""
    field: Field = flow.field_
    units: Any = flow.frame_.transform
    times = torch.linspace(0, 1, steps + 1)
    with torch.no_grad():
        states = solve(field, units.forward(x0), times, solver=RK4(), save=True).xs
    assert isinstance(states, Tensor)
    return png(trajectories(states, times))
