"""Four particles in the plane, and a pair whose law is known: what alignment does for an equivariant flow."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.particles_figure import figure
from pushforward.bench.results import Result
from pushforward.core import Coupling, generator_from
from pushforward.couplings import Aligned, EquivariantOT, Independent
from pushforward.data import Arrays, DoubleWellParticles
from pushforward.fields import NetField
from pushforward.inference import log_prob, sample_with_log_prob
from pushforward.metrics import curvature, path_energy, wasserstein
from pushforward.nets import EGNN
from pushforward.objectives import FlowMatching, Stratified
from pushforward.oracles import ParticlePair
from pushforward.paths import Geodesic
from pushforward.solvers import RK4, Euler, solve
from pushforward.spaces import Centred
from pushforward.training import Feed, Training, atomic_write, train

__all__ = ["ParticlesSuite"]

COUPLINGS: dict[str, Coupling] = {
    "independent": Independent(),
    "aligned": Aligned(reflections=True),
    "equivariant OT": EquivariantOT(reflections=True),
}
TRUTH, SOURCE, PAIR = "the law itself", "source", "independent"
FINE, FEW = 16, (4, 8)  # steps of RK4 for samples, of Euler where few are asked for
SPACE = Centred()
UNITS = {"energy_w1": "kT", "nll": "nats", "above_truth": "nats", "seconds": "s"}
UNITS |= {f"energy_w1_euler_{steps}": "kT" for steps in FEW}


@dataclass(frozen=True)
class ParticlesSuite:
    """DW-4 from centred noise along straight lines, by an equivariant network, three ways to make pairs.

    `energy_w1` (kT) and `distance_w1` are distances W_1 between the energies, and between the pair distances, of
    samples and of held-out draws; those of `the law itself` are between two sets of draws, the floor, and those of
    `source` of the noise. `energy_w1_euler_4` and `_8` are with so many steps of Euler. `path_energy` is E int |v|^2
    dt, `straightness` rectified flow's, 0 for straight paths. `nll` is that of held-out draws in nats, against the
    volume of the centred space (six coordinates); of the law itself it is E[E] + log Z, Z by reweighting samples of
    the flows. `ess` is the share of samples that are effective when reweighted to the law. `seconds` are those of
    training.

    For the pair (two particles, one flow) `nll` of the law itself is the exact entropy, and `above_truth` the mean
    difference of exact log-densities to those of the flow on the same held-out draws.

    Args:
        law: Of the four particles; the pair has its energy.
        steps: Of training; a half of them for the pair.
        batch: Rows of a step.
        rows: Draws to learn from.
        points: Samples, and held-out draws.
        scored: Held-out draws, and samples, whose densities are computed.
        seeds: Of data, training and samples.

    Writes `particles.png`, histograms of energies and distances of the first seed.
    """

    law: DoubleWellParticles = field(default_factory=DoubleWellParticles)
    steps: int = 1500
    batch: int = 128
    rows: int = 8000
    points: int = 2000
    scored: int = 400
    seeds: tuple[int, ...] = (0,)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Coupling by coupling, then the pair, for every seed."""
        for seed in self.seeds:
            yield from self._wells(job, seed)
            yield self._pair(job, seed)

    def _wells(self, job: Job, seed: int) -> Iterator[list[Result]]:
        law, case = self.law, self._case(f"DW-{self.law.count}")
        rows, held, other = law.sample(
            self.rows + 2 * self.points, generator=generator_from(seed, "particles", "rows")
        ).split([self.rows, self.points, self.points])
        noise = SPACE.noise(torch.empty_like(held), generator=generator_from(seed, "particles", "source"))
        assert isinstance(noise, Tensor)
        told = partial(_told, job, case, seed)
        yield told(SOURCE, self._distances(noise, held))
        drawn, weights = {}, []
        for name, coupling in COUPLINGS.items():
            started = time.perf_counter()
            flow = self._train(rows, coupling, self.steps, seed)
            seconds = time.perf_counter() - started
            values, drawn[name], w = self._judged(flow, noise, held)
            weights.append(w)
            yield told(name, values | {"seconds": seconds})
        volume = float(torch.cat(weights).logsumexp(0)) - math.log(self.scored * len(weights))
        entropy = float(law.energy(torch.cat([rows, held, other]).double()).mean()) + volume
        truth = self._distances(other, held) | {"nll": entropy}
        yield told(TRUTH, truth)
        if seed == self.seeds[0]:
            atomic_write(job.out / "particles.png", figure(law, held, drawn | {"noise": noise}))

    def _pair(self, job: Job, seed: int) -> list[Result]:
        law = ParticlePair(self.law.pair_energy, self.law.dimension)
        rows, held = (
            law.sample(n, generator=generator_from(seed, "particles", what))
            for n, what in ((self.rows, "pairs"), (self.points, "held-out pairs"))
        )
        flow, case = self._train(rows, Independent(), self.steps // 2, seed), self._case("pair")
        held = held.double()[: self.scored]
        flow.net.double()
        with torch.no_grad():
            found = log_prob(flow, held, solver=RK4(SPACE), times=self._times(2 * FINE))
        exact = law.log_prob(held)
        values = {"nll": -float(found.mean()), "above_truth": float((exact - found).mean())}
        told = partial(_told, job, case, seed)
        return told(PAIR, values) + told(TRUTH, {"nll": law.entropy()})

    def _train(self, rows: Tensor, coupling: Coupling, steps: int, seed: int) -> NetField:
        objective = FlowMatching(Geodesic(SPACE), draw=Stratified())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = EGNN(rows.shape[1:], width=32, depth=3)
        settings = Training(
            steps, self.batch, 5e-3, 0.0, warmup=min(50, steps), ema=0.99, device="cpu", workers=0, threads=1
        )
        feed = Feed(Arrays(rows), coupling, space=SPACE)
        return objective.field(train(net, objective, feed, settings, seed=seed).net.eval())

    @torch.no_grad()
    def _judged(self, flow: NetField, noise: Tensor, held: Tensor) -> tuple[dict[str, float], Tensor, Tensor]:
        """What is measured of a flow, its samples, and log exp(-E) / p of some."""
        x = solve(flow, noise, self._times(FINE), solver=RK4(SPACE)).x
        assert isinstance(x, Tensor)
        values = self._distances(x, held)
        for steps in FEW:
            few = solve(flow, noise, self._times(steps), solver=Euler(SPACE)).x
            assert isinstance(few, Tensor)
            values[f"energy_w1_euler_{steps}"] = self._distances(few, held)["energy_w1"]
        values["path_energy"] = path_energy(flow, noise[: self.scored], steps=FINE)
        values["straightness"] = curvature(flow, noise[: self.scored], steps=FINE)
        on = {"solver": RK4(SPACE), "times": self._times(FINE)}
        values["nll"] = -float(log_prob(flow, held[: self.scored], **on).double().mean())
        own, density = sample_with_log_prob(flow, noise[: self.scored], **on)
        weights = (-self.law.energy(own) - density).double()
        share = weights.softmax(0)
        values["ess"] = float(1 / share.square().sum() / len(share))
        return values, x, weights

    def _distances(self, x: Tensor, held: Tensor) -> dict[str, float]:
        energies, distances = (
            [f(part)[..., None].flatten(0, -2) for part in (x, held)] for f in (self.law.energy, self.law.distances)
        )
        return {"energy_w1": wasserstein(*energies, p=1), "distance_w1": wasserstein(*distances, p=1)}

    @staticmethod
    def _times(steps: int) -> Tensor:
        return torch.linspace(0, 1, steps + 1)

    def _case(self, name: str) -> str:
        full = (self.steps, self.points) == (ParticlesSuite.steps, ParticlesSuite.points)
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"


def _told(job: Job, case: str, seed: int, method: str, values: dict[str, float]) -> list[Result]:
    job.say(f"particles: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
    return [Result("particles", case, method, k, v, UNITS.get(k, ""), seed, "ours") for k, v in values.items()]
