"""Who takes part in `two_dim`, and how each is trained."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from pushforward.bench.grid_moons import GridMoons
from pushforward.bench.tutorial import SIGMA, train_torchcfm
from pushforward.config import Experiment, override, parse
from pushforward.core import Field
from pushforward.data import Dataset, EightGaussians, Stream
from pushforward.recipes import load

__all__ = ["RECIPE", "Entrant", "entrants"]

RECIPE = "8gaussians_to_moons"
TUTORIAL = {
    "path.latent": {"type": "Constant", "scale": SIGMA},
    "objective": "FlowMatching",
    "training.learning_rate": 1e-3,
    "training.final_learning_rate": None,
    "training.warmup": 0,
    "training.coupling_batches": 1,
    "training.betas": [0.9, 0.999],
    "training.gradient_clip": None,
    "training.ema": None,
}
"""What turns the recipe into the protocol of torchcfm's tutorial: plain Adam, no average, and its blur."""


class Entrant(NamedTuple):
    """A method, who wrote it, and how a seed becomes a trained field."""

    method: str
    source: str
    train: Callable[[int], Field]


def entrants(steps: int, peers: Sequence[str]) -> list[Entrant]:
    """Ours at the tutorial's protocol, the shipped recipe, and torchcfm's own loop if it is among the peers."""
    found = [Entrant(name, "ours", partial(_tutorial, name, steps)) for name in ("ExactOT", "Independent")]
    found.append(Entrant(f"recipe {RECIPE}", "ours", partial(_recipe, steps)))
    if "torchcfm" in peers:
        found += [Entrant(name, "torchcfm", partial(_torchcfm, name, steps)) for name in ("OT-CFM", "I-CFM")]
    return found


def _tutorial(coupling: str, steps: int, seed: int) -> Field:
    spec = override(load(RECIPE), {**TUTORIAL, "coupling": coupling, "training.steps": steps, "seed": seed})
    moons = Stream(GridMoons(), steps=1)
    return _field(Experiment(parse(spec), Dataset(train=moons, test=moons, source=Stream(EightGaussians()))))


def _recipe(steps: int, seed: int) -> Field:
    return _field(Experiment.of(parse(override(load(RECIPE), {"training.steps": steps, "seed": seed}))))


def _field(experiment: Experiment) -> Field:
    return experiment.config.bound.field(experiment.train().net)


def _torchcfm(method: str, steps: int, seed: int) -> Field:
    return train_torchcfm(method, EightGaussians().sample, GridMoons().sample, steps=steps, seed=seed)
