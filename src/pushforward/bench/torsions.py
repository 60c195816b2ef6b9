"""Torsion angles of amino acids: a flow on the torus beside a mixture of von Mises laws and a kernel density."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.bench.von_mises import VonMisesKernels, VonMisesMixture
from pushforward.core import Field, generator_from
from pushforward.data import Arrays, Torsions
from pushforward.inference import log_prob
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching, Stratified
from pushforward.paths import Cosine, Geodesic
from pushforward.report import png, ramachandran
from pushforward.solvers import RK4, solve
from pushforward.spaces import Torus
from pushforward.training import Feed, Training, atomic_write, train

__all__ = ["TorsionsSuite"]

OURS, MIXTURE, KERNELS, UNIFORM = "Geodesic", "von Mises mixture, EM", "von Mises kernels", "uniform"
WIDTHS = (5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 110.0, 150.0, 200.0)  # concentrations of kernels that are tried
TRIED = 2000  # validation rows that choose among them
STARTS = 3  # of EM


class Parts(NamedTuple):
    """Angles `[N, n]`; settings are chosen on the validation part, figures told of the test part."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True)
class TorsionsSuite:
    """Densities of torsion angles, the negative log-likelihood `nll` of held-out residues in nats, a mean.

    Of histidine (T^4) and lysine (T^6), split by protein. The flow goes along geodesics from the uniform law, slower
    and slower (`Cosine`), since clusters are narrow; the network is an MLP on sines and cosines. Its density is
    integrated by RK4 with `grid` steps, `nll_half_the_steps` with half of them: how far the two are apart bounds the
    solver's error. Beside it a mixture of products of von Mises laws (three runs of EM, the one that the validation
    part finds likeliest) and von Mises kernels at all training points, their width chosen on the validation part.
    `seconds` are those of training.

    No paper has figures of these sets: the literature's are of the Top500 structures.

    Args:
        residues: See `data.Torsions`.
        steps: Of training.
        batch: Rows of a step.
        components: Of the mixture.
        grid: Steps of RK4.
        rows: Held-out rows that are judged, at most.
        seeds: Of training.

    Writes `torsions_<residue>.png`, the Ramachandran plots of samples and held-out residues of the first seed.
    """

    residues: tuple[str, ...] = ("his", "lys")
    steps: int = 8000
    batch: int = 512
    components: int = 50
    grid: int = 32
    rows: int = 4000
    seeds: tuple[int, ...] = (0,)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Residue by residue the classical densities, and then a flow for every seed."""
        for residue in self.residues:
            parts = _load(residue)
            n = parts.train.shape[1]
            full = (self.steps, self.rows) == (TorsionsSuite.steps, TorsionsSuite.rows)
            budget = "" if full else f", quick ({self.steps} steps, {self.rows} rows)"
            case = f"{residue}, T^{n}{budget}"
            test = parts.test[torch.randperm(len(parts.test), generator=generator_from(0, "torsions"))[: self.rows]]

            def told(method: str, values: dict[str, float], seed: int | None, case: str = case) -> list[Result]:
                job.say(f"torsions: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                return [
                    Result("torsions", case, method, k, v, "s" if k == "seconds" else "nats", seed, "ours")
                    for k, v in values.items()
                ]

            yield told(UNIFORM, {"nll": n * math.log(2 * math.pi)}, None)
            for method, fit in ((MIXTURE, self._mixture), (KERNELS, self._kernels)):
                started = time.perf_counter()
                density = fit(parts)
                seconds = time.perf_counter() - started
                yield told(method, {"nll": _nll(density, test), "seconds": seconds}, 0)
            for seed in self.seeds:
                started = time.perf_counter()
                field = self._train(parts.train, seed)
                seconds = time.perf_counter() - started
                fine, coarse = (self._flow_nll(field, test, grid) for grid in (self.grid, self.grid // 2))
                yield told(OURS, {"nll": fine, "nll_half_the_steps": coarse, "seconds": seconds}, seed)
                if seed == self.seeds[0]:
                    x = self._samples(field, torch.empty_like(parts.test), seed)
                    atomic_write(job.out / f"torsions_{residue}.png", png(ramachandran(x, parts.test)))

    def _mixture(self, parts: Parts) -> VonMisesMixture:
        fits = [
            VonMisesMixture.fit(
                parts.train.double(), self.components, generator=generator_from(start, "torsions", "em")
            )[0]
            for start in range(STARTS)
        ]
        return min(fits, key=lambda fit: _nll(fit, parts.validation))

    def _kernels(self, parts: Parts) -> VonMisesKernels:
        return VonMisesKernels.choose(parts.train.double(), parts.validation[:TRIED].double(), WIDTHS)

    def _train(self, rows: Tensor, seed: int) -> Field:
        space = Torus()
        told = space.features(rows)
        assert isinstance(told, Tensor)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = MLP((told.shape[1],), width=256, depth=4, activation="silu")
        objective = FlowMatching(Geodesic(space, Cosine()), draw=Stratified())
        settings = Training(
            self.steps, self.batch, 3e-3, 0.0, warmup=min(100, self.steps), ema=0.999, device="cpu", workers=0
        )
        return objective.field(train(net, objective, Feed(Arrays(rows), space=space), settings, seed=seed).net)

    @torch.no_grad()
    def _flow_nll(self, field: Field, x: Tensor, grid: int) -> float:
        times = torch.linspace(0, 1, grid + 1)
        parts = [log_prob(field, part, solver=RK4(Torus()), times=times) for part in x.split(1000)]
        return -float(torch.cat(parts).double().mean())

    @torch.no_grad()
    def _samples(self, field: Field, like: Tensor, seed: int) -> Tensor:
        noise = Torus().noise(like, generator=generator_from(seed, "torsions", "source"))
        x = solve(field, noise, torch.linspace(0, 1, self.grid + 1), solver=RK4(Torus())).x
        assert isinstance(x, Tensor)
        return x


def _load(residue: str) -> Parts:
    everything = 10**9
    data, other = Torsions(residue).load(), Torsions(residue, validation=True).load()
    assert data.test is not None
    assert other.test is not None
    parts = [part.take(everything)[0] for part in (data.train, other.test, data.test)]
    return Parts(*(part for part in parts if isinstance(part, Tensor)))


def _nll(density: VonMisesMixture | VonMisesKernels, x: Tensor) -> float:
    return -float(density.log_prob(x.double()).mean())
