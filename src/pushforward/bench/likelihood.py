"""Log-densities of learned flows: moons against the law that they come from, digits in bits per dimension."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import Experiment, override, parse
from pushforward.core import Cond, Field, Gen, Hutchinson, Loss, Pairs, generator_from
from pushforward.data import Arrays, Dataset, GaussianMoons, Moons, Toy
from pushforward.inference import bits_per_dim, likelihood, log_bound, log_prob
from pushforward.inference.dequantisation import Dequantisation, TruncatedNormal, Uniform, Variational
from pushforward.recipes import load
from pushforward.solvers import Heun
from pushforward.training import Feed, Training, train

__all__ = ["LikelihoodSuite"]

MOONS = "held-out rows"
DIGITS = "digits: held-out rows given their labels"
NATS = ("mean_log_prob", "gap", "gap_standard_error")
HALF = 1 / 16  # of a grey level, in model units
SCALES = (4.0, 2.0, 4 / 3, 1.0, 2 / 3)  # of the truncated normal that is chosen, in halves of a level
IMPORTANCE = {
    "type": "FlowMatching",
    "draw": "Stratified",
    "cond_drop": 0.1,
    "times": {"type": "Importance", "noisiest": -8.0, "cleanest": 8.0},
}


@dataclass(frozen=True)
class _Bound:
    """What a variational dequantisation is trained by: the bound of the rows, per coordinate."""

    density: Callable[[Tensor, Cond, Gen], Tensor]
    alpha: float

    def __call__(self, net: nn.Module, batch: Pairs, *, generator: Gen = None) -> Loss:
        density = lambda y: self.density(y, batch.cond, generator)
        x = batch.x1
        assert isinstance(x, Tensor)
        assert isinstance(net, Variational)
        bound = log_bound(density, x, HALF, net, alpha=self.alpha, generator=generator)
        return Loss.mean({"bound": -bound / x[0].numel()})


@dataclass(frozen=True)
class LikelihoodSuite:
    r"""How near learned log-densities come to the true ones, and what digits cost in bits.

    Moons: the recipe `moons`, taught and asked fresh draws of a law whose density is known; the mean gap
    log p - log p_model is the Kullback-Leibler divergence, in nats. `GaussianMoons` is smooth. `Moons`, the recipe's
    own law, has hard edges and lines of infinite density: blurred by a normal of 0.013 (it is 9 wide) it is 0.1 nats
    from itself, by one of 0.05 0.24. Beside it the share of rows whose estimate by 16 random probes lies within three
    of its standard errors.

    Digits: the recipe `digits`, and the same trained as i-DODE does (times by importance; the second-order term in a
    last fifth of the steps); 17 grey levels, bits per dimension of held-out rows given their labels, smaller is better.
    The flow is followed from the time at which sigma_t / alpha_t is the spread of uniform noise, h / sqrt(3) with h
    half a level; "the path's own" truncated normal from where it is h / 3. Where a model is flat within a cell that law
    costs 0.56 bits more than uniform noise; it pays where a model knows that values are whole numbers, as the paper's
    do. So beside it stands one whose scale is chosen on training rows. The variational noise learns from the very rows
    that are judged, as it may: it belongs to the bound, not to the model. Learned from the training rows, which the
    second model knows too well (2.08 bits of uniform noise against 2.41), it gained 0.06 bits there and lost 0.01 here.
    Eight probes.

    Args:
        moons_steps: Of training; None for the recipe's.
        digits_steps: Likewise.
        dequantiser_steps: Of training the variational dequantisation.
        moons: Rows.
        digits: Rows.
        density_steps: Of Heun, from source to digits; twice as many for moons.
        seed: Of everything.
    """

    moons_steps: int | None = None
    digits_steps: int | None = None
    dequantiser_steps: int = 150
    moons: int = 2000
    digits: int = 200
    density_steps: int = 20
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Moons, then digits trained in both ways."""
        for law in (GaussianMoons(), Moons()):
            yield self._moons(job, law)
        for name, train_it in {"recipe": self._recipe, "i-DODE": self._importance}.items():
            started = time.perf_counter()
            data, field = train_it()
            seconds = time.perf_counter() - started
            job.say(f"likelihood: digits, {name}: trained in {seconds:.0f} s")
            yield [self._row(DIGITS, name, "training_seconds", seconds, "s")]
            yield from self._digits(job, data, field, name)

    def _moons(self, job: Job, law: Moons | GaussianMoons) -> list[Result]:
        spec = self._spec("moons", self.moons_steps)
        experiment = Experiment(parse(spec), Toy(target=law).load())
        field = _field(experiment, experiment.train().net)
        x = law.sample(self.moons, generator=self._generator("moons"))
        x = x[law.log_prob(x).isfinite()]  # single precision may put a row on the wrong side of a hard edge
        exact, times = law.log_prob(x), torch.linspace(0, 1, 2 * self.density_steps + 1)
        few, generator = x[: len(x) // 8], self._generator("probes")
        with torch.no_grad():
            learned = log_prob(field, x, solver=Heun(), times=times)
            probed = likelihood(field, few, solver=Heun(), times=times, divergence=Hutchinson(16), generator=generator)
        gap = exact - learned
        error = float(gap.std()) / math.sqrt(len(gap))
        near = (probed.log_prob - learned[: len(few)]).abs() <= 3 * probed.standard_error
        name = type(law).__name__
        job.say(f"likelihood: {name}: {float(learned.mean()):.4f} nats, exact {float(exact.mean()):.4f}")
        job.say(
            f"  gap {float(gap.mean()):.4f} +- {error:.4f}; within 3 of its errors: {float(near.double().mean()):.3f}"
        )
        return [
            self._row(f"{MOONS} of {name}", method, metric, value, "nats" if metric in NATS else "")
            for method, metric, value in (
                ("exact law", "mean_log_prob", float(exact.mean())),
                ("recipe moons", "mean_log_prob", float(learned.mean())),
                ("recipe moons", "gap", float(gap.mean())),
                ("recipe moons", "gap_standard_error", error),
                ("recipe moons", "within_3_standard_errors", float(near.double().mean())),
            )
        ]

    def _recipe(self) -> tuple[Dataset, Field]:
        experiment = Experiment.of(parse(self._spec("digits", self.digits_steps)))
        return experiment.dataset, _field(experiment, experiment.train().net)

    def _importance(self) -> tuple[Dataset, Field]:
        spec = {**self._spec("digits", self.digits_steps), "objective": IMPORTANCE}
        steps = spec["training"]["steps"]
        first = Experiment.of(parse(override(spec, {"training.steps": max(1, 4 * steps // 5)})))
        net = first.train().net
        last = {"training.steps": max(1, steps // 5), "training.learning_rate": 3e-4, "training.warmup": 0}
        spec = override({**spec, "objective": {**IMPORTANCE, "terms": ["SecondOrder"]}}, last)
        second = Experiment(parse(spec), first.dataset)
        return first.dataset, _field(second, second.train(net).net)

    def _spec(self, recipe: str, steps: int | None) -> dict[str, Any]:
        change = {"seed": self.seed} if steps is None else {"seed": self.seed, "training.steps": steps}
        return override(load(recipe), change)

    def _digits(self, job: Job, data: Dataset, field: Field, name: str) -> Iterator[list[Result]]:
        rows, labels = data.held_out().take(self.digits, self.seed)
        assert isinstance(rows, Tensor)
        x = data.transform.forward(rows)
        level, learned = HALF / math.sqrt(3), Variational(tuple(x.shape[1:]))

        def bits(law: Dequantisation, noise: float, x: Tensor, labels: Cond) -> Tensor:
            alpha = 1 / (1 + noise)  # CondOT: sigma / alpha = (1 - t) / t
            generator = self._generator("probes")  # the same probes and draws for every law, which are compared
            density = lambda y: _density(
                field, y, labels, alpha, steps=self.density_steps, probes=8, generator=generator
            )
            with torch.no_grad():
                return bits_per_dim(density, x, HALF, law, alpha=alpha, generator=self._generator("draws"))

        known, known_labels = data.train.take(max(2, self.digits // 2), self.seed)
        assert isinstance(known, Tensor)
        known = data.transform.forward(known)
        laws: dict[str, Callable[[], tuple[Dequantisation, float]]] = {
            "uniform": lambda: (Uniform(), level),
            "variational": lambda: (
                self._learn(Feed(Arrays(rows, labels), transform=data.transform), field, learned, 1 / (1 + level)),
                level,
            ),
            "truncated normal, chosen": lambda: (
                min(
                    (TruncatedNormal(scale * HALF) for scale in SCALES),
                    key=lambda law: float(bits(law, level, known, known_labels).mean()),
                ),
                level,
            ),
            "truncated normal, the path's own": lambda: (TruncatedNormal(HALF / 3), HALF / 3),
        }
        for law_name, make in laws.items():
            started = time.perf_counter()
            law, noise = make()
            found = bits(law, noise, x, labels)
            value, error = float(found.mean()), float(found.std()) / math.sqrt(len(found))
            seconds = time.perf_counter() - started
            scale = f" (tau {HALF / law.scale:.2g})" if isinstance(law, TruncatedNormal) else ""
            job.say(
                f"likelihood: digits, {name}, {law_name}{scale}: {value:.4f} +- {error:.4f} bits/dim ({seconds:.0f} s)"
            )
            yield [
                self._row(DIGITS, f"{name}, {law_name}", "bits_per_dim", value, "bits"),
                self._row(DIGITS, f"{name}, {law_name}", "bits_per_dim_standard_error", error, "bits"),
            ]

    def _learn(self, feed: Feed, field: Field, law: Variational, alpha: float) -> Variational:
        """Train a dequantisation for the field as it is."""
        bound = _Bound(
            lambda y, cond, generator: _density(field, y, cond, alpha, steps=10, probes=1, generator=generator), alpha
        )
        settings = Training(self.dequantiser_steps, 64, 2e-3, ema=None, device="cpu")
        train(law, bound, feed, settings, seed=self.seed)
        return law.eval()

    def _generator(self, stream: str) -> torch.Generator:
        return generator_from(self.seed, "likelihood", stream)

    def _row(self, case: str, method: str, metric: str, value: float, unit: str) -> Result:
        budget = "" if self == LikelihoodSuite() else ", quick"
        return Result("likelihood", case + budget, method, metric, value, unit, self.seed, "ours")


def _field(experiment: Experiment, net: nn.Module) -> Field:
    """What was learned, frozen."""
    objective: Any = experiment.objective()
    return objective.field(net.requires_grad_(requires_grad=False))


def _density(field: Field, y: Tensor, cond: Cond, alpha: float, *, steps: int, probes: int, generator: Gen) -> Tensor:
    """Log-density of states y at the time t = alpha, by steps that are equal in log signal-to-noise ratio."""
    top = math.log(alpha / (1 - alpha))
    times = torch.cat([torch.zeros(1), torch.sigmoid(torch.linspace(-3.0, top, steps))])
    times[-1] = alpha
    return log_prob(
        field,
        y,
        solver=Heun(),
        times=times,
        divergence=Hutchinson(probes),
        cond=cond,
        generator=generator,
    )
