"""A density on a mesh, learned by descending the biharmonic distance."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Coupling, generator_from
from pushforward.couplings import ExactOT, Independent
from pushforward.data import MeshDensity, MeshFile, Stream
from pushforward.metrics import c2st
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching
from pushforward.paths import Premetric
from pushforward.report import on_mesh, png
from pushforward.solvers import Euler, solve
from pushforward.spaces import Mesh, SpectralDistance
from pushforward.training import Feed, Training, atomic_write, train

__all__ = ["MeshSuite"]

COUPLINGS: dict[str, tuple[Coupling, int]] = {  # and how many batches share a plan
    "Premetric, biharmonic": (Independent(), 1),
    "Premetric, biharmonic, ExactOT": (ExactOT(), 16),
}
FLOOR, NOISE = "floor, independent draws", "noise, uniform by area"


@dataclass(frozen=True)
class MeshSuite:
    """From the uniform law on a mesh to the positive part of its tenth eigenfunction; `c2st` to fresh draws.

    Every batch simulates as many pairs and learns from all their states; the network is an MLP (4 x 128) on x and t
    whose answer becomes tangent to the face. Followed by Euler with 100 steps. Once with independent pairs, once with
    those of optimal transport by squared ambient distance, a plan for the rows of 16 batches: pairs that are near each
    other meet no point of rest of the distance on their way, and the mean square of the speeds that are learned is a
    seventeenth. Beside them stand the score of uniform draws, where training starts, and of other draws of the target,
    below which no model gets but by chance. `off_surface` is the largest distance of a sample from the mesh, in units
    of the mesh; `seconds` are those of training and sampling.

    Args:
        file: The mesh and the number of the function.
        steps: Of the training.
        batch: Pairs of a step.
        states: Of each simulation, which takes as many steps.
        modes: Eigenfunctions in the distance.
        points: On each side of a score.
        seeds: Of training, and of the draws that judge it.

    Writes `mesh.png`: the target and the samples of the first seed over optimal pairs.
    """

    file: MeshFile = field(default_factory=MeshFile)
    steps: int = 1600
    batch: int = 64
    states: int = 32
    modes: int = 100
    points: int = 4000
    seeds: tuple[int, ...] = (0,)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One seed after the other."""
        mesh = self.file.mesh()
        density = MeshDensity.eigenfunction(mesh, self.file.function)
        for seed in self.seeds:
            fresh, other = (
                density.sample(self.points, generator=generator_from(seed, what)) for what in ("target", "floor")
            )
            noise = mesh.noise(fresh, generator=generator_from(seed, "uniform"))
            assert isinstance(noise, Tensor)
            bounds = {method: c2st(rows, fresh) for method, rows in ((FLOOR, other), (NOISE, noise))}
            job.say(f"mesh: seed {seed}, on {mesh}: floor {bounds[FLOOR]:.3f}, noise {bounds[NOISE]:.3f}")
            yield [
                Result("mesh", self._case, method, "c2st", value, "", seed, "ours") for method, value in bounds.items()
            ]
            x = noise
            for method, (coupling, span) in COUPLINGS.items():
                started = time.perf_counter()
                x = self._samples(mesh, Feed(Stream(density), coupling, space=mesh, span=span), seed)
                seconds = time.perf_counter() - started
                score, off = c2st(x, fresh), float((mesh.point(mesh.locate(x.clone())) - x).norm(dim=1).max())
                job.say(f"  {method}: c2st {score:.3f}, off {off:.1e}, {seconds:.0f} s for {self.steps} steps")
                rows = [("c2st", score, ""), ("off_surface", off, ""), ("seconds", seconds, "s")]
                yield [Result("mesh", self._case, method, *row, seed, "ours") for row in rows]
            if seed == self.seeds[0]:
                atomic_write(job.out / "mesh.png", png(on_mesh(mesh.vertices, mesh.faces, density.values, x)))

    @property
    def _case(self) -> str:
        name = f"{Path(self.file.path).stem}, eigenfunction {self.file.function}"
        full = (self.steps, self.points) == (MeshSuite.steps, MeshSuite.points)
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"

    def _samples(self, mesh: Mesh, feed: Feed, seed: int) -> Tensor:
        path = Premetric(mesh, SpectralDistance(mesh, modes=self.modes), steps=self.states)
        objective = FlowMatching(path, states=self.states)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = MLP((3,), width=128, depth=4, activation="silu")
        settings = Training(self.steps, self.batch, 3e-3, 0.0, warmup=min(100, self.steps), ema=0.999, device="cpu")
        trained = train(net, objective, feed, settings, seed=seed).net
        noise = mesh.noise(torch.empty(self.points, 3), generator=generator_from(seed, "source"))
        with torch.no_grad():
            x = solve(objective.field(trained), noise, torch.linspace(0, 1, 101), solver=Euler(mesh)).x
        assert isinstance(x, Tensor)
        return x
