"""Point processes: the law of the next waiting time, learned, against processes that are known and earthquakes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Events, InvalidInput, generator_from
from pushforward.data import Arrays, JapanEarthquakes
from pushforward.fields import Decoder, LogTime, NetProcess, NormalMixtures, SigmoidalFlows
from pushforward.nets import EventGRU
from pushforward.objectives import IntensityFree
from pushforward.oracles import HawkesProcess, LogNormalRenewal, PoissonProcess
from pushforward.training import Feed, Training, train

__all__ = ["PointProcess"]

DECODERS: dict[str, Decoder] = {"log-normal mixture": NormalMixtures(16), "sigmoidal flow": SigmoidalFlows(16, 2)}
SIMULATED = {
    "log-normal renewal, mean 1, deviation 6": LogNormalRenewal(1.0, 6.0),
    "Hawkes, branching 0.8, decay 1": HawkesProcess(0.2, (0.8,), (1.0,)),
    "Hawkes, two kernels": HawkesProcess(0.2, (0.4, 0.4), (1.0, 20.0)),
}
WATCH = 100.0  # of simulated rows: about 100 events


@dataclass(frozen=True)
class PointProcess:
    """Nats an event on held-out rows, lower is better, of intensity-free learning with two decoders.

    On simulated processes, `excess_nats` is what is lost to the process itself on the same rows. On the earthquakes
    around Japan, in windows of 30 days split by time, `nats_per_event` stands beside the most likely Poisson process
    and the most likely Hawkes processes with one and two exponential kernels; without the file that part is left out.
    The silence at the end of every window is counted, and times are in days.

    Args:
        rows: Of a simulated process, about 100 events each; half as many are held out.
        steps: Of a training on those.
        quake_steps: Of a training on the earthquakes.
        seed: Of everything.
    """

    rows: int = 200
    steps: int = 400
    quake_steps: int = 300
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Simulated processes, then earthquakes."""
        full = self == PointProcess(seed=self.seed)
        for name, truth in SIMULATED.items():
            case = name if full else f"{name}, quick ({self.steps} steps, {self.rows} rows)"
            yield self._simulated(job, case, truth)
        case = "earthquakes, Japan" + ("" if full else f", quick ({self.quake_steps} steps)")
        yield from self._quakes(job, case)

    def _simulated(self, job: Job, case: str, truth: Any) -> list[Result]:
        learned = truth.sample(self.rows, WATCH, generator=generator_from(self.seed, "point_process", "train"))
        held = truth.sample(self.rows // 2, WATCH, generator=generator_from(self.seed, "point_process", "held out"))
        nats = {"truth": _nats(truth, held), "Poisson": _nats(PoissonProcess.fit(learned), held)}
        seconds = {}
        for name, decoder in DECODERS.items():
            process, seconds[name] = self._train(decoder, learned, self.steps, batch=16)
            nats[name] = _nats(process, held)
        rows = []
        for name, value in nats.items():
            rows.append(Result("point_process", case, name, "nats_per_event", value, "nats", self.seed, "ours"))
            if name != "truth":
                excess = value - nats["truth"]
                rows.append(Result("point_process", case, name, "excess_nats", excess, "nats", self.seed, "ours"))
        rows += _clocked(case, seconds, self.seed)
        job.say(f"point_process: {case}: " + ", ".join(f"{name} {value:.4f}" for name, value in nats.items()))
        return rows

    def _quakes(self, job: Job, case: str) -> Iterator[list[Result]]:
        try:
            data = JapanEarthquakes().load()
        except InvalidInput as error:
            job.say(f"point_process: {case} left out: {error}")
            return
        learned, held = (_shortened(Events(**cast(Any, part.take(10**6)[0]))) for part in (data.train, data.held_out()))
        nats, seconds = {}, {}
        for name, process in (
            ("Poisson", PoissonProcess.fit(learned)),
            ("Hawkes, one kernel", HawkesProcess.fit(learned, 1)),
            ("Hawkes, two kernels", HawkesProcess.fit(learned, 2)),
        ):
            nats[name] = _nats(process, held)
        for name, decoder in DECODERS.items():
            process, seconds[name] = self._train(decoder, learned, self.quake_steps, batch=16)
            nats[name] = _nats(process, held)
        job.say(f"point_process: {case}: " + ", ".join(f"{name} {value:.4f}" for name, value in nats.items()))
        rows = [
            Result("point_process", case, name, "nats_per_event", value, "nats", self.seed, "ours")
            for name, value in nats.items()
        ]
        yield rows + _clocked(case, seconds, self.seed)

    def _train(self, decoder: Decoder, learned: Events, steps: int, batch: int) -> tuple[NetProcess, float]:
        started = time.perf_counter()
        objective = IntensityFree(decoder, LogTime.fit(learned))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = EventGRU(objective.outputs, width=32)
        settings = Training(
            steps, batch, 5e-3, 0.0, warmup=min(20, steps), ema=0.95, device="cpu", workers=0, weight_decay=1e-5
        )
        net = train(net, objective, Feed(Arrays(learned._asdict())), settings, seed=self.seed).net
        return objective.process(net.eval()), time.perf_counter() - started


@torch.no_grad()
def _nats(process: Any, events: Events) -> float:
    return float(-process.log_prob(events).double().sum() / events.number.sum())


def _shortened(events: Events) -> Events:
    """Without what is padding in all rows."""
    return events._replace(gaps=events.gaps[:, : int(events.number.max())])


def _clocked(case: str, seconds: dict[str, float], seed: int) -> list[Result]:
    return [
        Result("point_process", case, name, "training_seconds", value, "s", seed, "ours")
        for name, value in seconds.items()
    ]
