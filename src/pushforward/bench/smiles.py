"""Molecules as strings, by masked discrete flow matching."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Gen, InvalidInput, Pairs, generator_from
from pushforward.data import Dataset, Sequences, Smiles, Tokeniser
from pushforward.fields import NetField
from pushforward.guidance import Tempered
from pushforward.metrics import (
    canonical_smiles,
    internal_diversity,
    novelty,
    property_distance,
    uniqueness,
    validity,
)
from pushforward.nets import TokenTransformer
from pushforward.objectives import DiscreteFlowMatching
from pushforward.paths import Mixture
from pushforward.solvers import Unmask, solve
from pushforward.spaces import Tokens
from pushforward.training import Training, atomic_write, train

__all__ = ["Framed", "Molecules", "revealed"]

SHOWN = 24  # molecules of the picture


class Way(NamedTuple):
    """How molecules are drawn: at which temperature, surest symbols first or in any order, how many symbols a step."""

    temperature: float = 1.0
    noise: float = math.inf
    at_once: int = 1


WAYS = {
    "one symbol a step": Way(),
    "two symbols a step": Way(at_once=2),
    "four symbols a step": Way(at_once=4),
    "one symbol a step, temperature 0.8": Way(0.8),
    "surest first, temperature 0.8": Way(0.8, 1.0),
}


@dataclass(frozen=True)
class Framed:
    """Pairs of rows of one length a step, a length as often as it occurs, with a padding before and after.

    The source shows the paddings and masks what is between: how many symbols there will be is known from the start,
    nothing is spent on padding, and a network of relative positions can tell the ends from the middle.

    Args:
        x: Rows `[N, L]`, padded at their ends.
        padding: Number of the padding.
        mask: Number of the mask.
    """

    x: Tensor
    padding: int
    mask: int

    @cached_property
    def lengths(self) -> Tensor:
        """Symbols of every row `[N]`."""
        return (self.x != self.padding).sum(1)

    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        """`size` rows of the length of a random row, and where they start."""
        gen, lengths = generator_from(seed, "rows", step), self.lengths
        length = int(lengths[torch.randint(len(lengths), (1,), generator=gen)])
        alike = (lengths == length).nonzero()[:, 0]
        rows = alike[torch.randint(len(alike), (size,), generator=gen)]
        x1 = torch.nn.functional.pad(self.x[rows, :length], (1, 1), value=self.padding)
        return Pairs((self.start(size, length), x1))

    def start(self, rows: int, length: int) -> Tensor:
        """Masks between two paddings `[rows, length + 2]`."""
        return torch.nn.functional.pad(torch.full((rows, length), self.mask), (1, 1), value=self.padding)


@dataclass(frozen=True)
class Molecules:
    """Masked discrete flow matching of SMILES from MOSES with a small transformer.

    `validity`, `uniqueness` and `novelty` of as many molecules as held-out ones beside them; internal diversity, and
    the distances of properties to held-out ones, whose floor is that of training molecules. Lengths are drawn as they
    occur. Drawn at the temperature 1, one symbol a step in any order, nothing but the network is between the samples
    and the data's law; the other ways trade diversity for validity, or quality for steps. Without the file or rdkit
    there is no measurement.

    Args:
        steps: Of the training, `batch` molecules each.
        batch: Molecules of a step, all of one length.
        molecules: That are drawn in each way, and held-out ones that judge them.
        seed: Of everything.
    """

    steps: int = 2400
    batch: int = 64
    molecules: int = 500
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Held-out molecules, then one way after the other; last a picture."""
        loader = Sequences("molecule/moses_smiles_100k.csv.gz", "smiles", Smiles(), split="split")
        try:
            validity(["C"])
            data = loader.load()
        except InvalidInput as error:
            job.say(f"smiles: left out: {error}")
            return
        quick = "" if self == Molecules(seed=self.seed) else f", quick ({self.steps} steps, {self.molecules} molecules)"
        case = f"MOSES{quick}"
        tokeniser = cast(Tokeniser, data.tokeniser)
        text = lambda part, n: tokeniser.decode(part.take(n, seed=1)[0])
        real, learned = text(data.held_out(), self.molecules), text(data.train, self.molecules)
        known = {smiles for smiles in canonical_smiles(text(data.train, 10**6)) if smiles is not None}

        def told(method: str, values: dict[str, float]) -> list[Result]:
            job.say(f"smiles: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
            unit = lambda metric: "s" if metric.endswith("seconds") else ""
            return [Result("smiles", case, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]

        yield told("held-out molecules", _judged(real, real, known))
        yield told("training molecules", _judged(learned, real, known))
        source = Framed(cast(Any, data.train.take(10**6)[0]), cast(int, tokeniser.padding), tokeniser.vocab)
        started = time.process_time()
        field = self._train(data, source)
        yield told("training", {"training_cpu_seconds": time.process_time() - started})
        drawn: dict[str, list[str]] = {}
        for name, way in WAYS.items():
            started = time.process_time()
            drawn[name] = self._draw(field, source, tokeniser, way)
            seconds = {"sampling_cpu_seconds": time.process_time() - started}
            yield told(name, _judged(drawn[name], real, known) | seconds)
        picture = _picture(next(iter(drawn.values())))
        if picture is not None:
            atomic_write(job.out / "smiles.png", picture)
            job.say(f"smiles: {job.out / 'smiles.png'} shows molecules drawn one symbol a step")

    def _train(self, data: Dataset, source: Framed) -> NetField:
        vocab = cast(Tokeniser, data.tokeniser).vocab
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = TokenTransformer(vocab, mask=True, width=128, depth=4, kernel=7)
        objective = DiscreteFlowMatching(Mixture(Tokens(vocab, mask=True)))
        settings = Training(
            self.steps, self.batch, 3e-3, 0.0, warmup=min(100, self.steps), ema=0.995, device="cpu", workers=0
        )
        return objective.field(train(net, objective, source, settings, seed=self.seed).net.eval())

    @torch.no_grad()
    def _draw(self, field: NetField, source: Framed, tokeniser: Tokeniser, way: Way) -> list[str]:
        gen = generator_from(self.seed, "smiles", "draw")
        lengths = source.lengths
        lengths = lengths[torch.randint(len(lengths), (self.molecules,), generator=gen)]
        solver, sharper = Unmask(field.path, way.noise), Tempered(field, way.temperature)
        found: list[str] = []
        for length in lengths.unique().tolist():
            x = source.start(int((lengths == length).sum()), length)
            found += tokeniser.decode(revealed(sharper, solver, x, way.at_once, gen)[:, 1:-1])
        return found


def revealed(field: Any, solver: Unmask, x: Tensor, at_once: int, gen: Gen) -> Tensor:
    """The ends of chains from masks between two paddings, which show at most `at_once` symbols a step."""
    size = x.shape[1]  # of which two are shown: the times start where their share is due
    times = torch.linspace(2 / size, 1, -(-(size - 2) // at_once) + 1)
    return cast(Tensor, solve(field, x, times, solver=solver, generator=gen).x)


def _judged(smiles: Sequence[str], real: Sequence[str], known: set[str]) -> dict[str, float]:
    values = {"validity": validity(smiles), "uniqueness": uniqueness(smiles), "novelty": novelty(smiles, known)}
    if values["validity"] * len(smiles) < 2:  # nothing to compare
        return values
    values["internal_diversity"] = float(internal_diversity(smiles))
    return values | {f"{name}_distance": gap for name, gap in property_distance(smiles, real).items()}


def _picture(smiles: Sequence[str]) -> bytes | None:
    """A PNG of the first valid molecules, None if none is."""
    from rdkit import Chem
    from rdkit.Chem.Draw import MolsToGridImage

    valid = [text for text in canonical_smiles(smiles) if text is not None]
    spread = valid[:: max(1, len(valid) // SHOWN)][:SHOWN]  # they come by length
    if not spread:
        return None
    molecules = [Chem.MolFromSmiles(text) for text in spread]
    return MolsToGridImage(molecules, molsPerRow=6, subImgSize=(260, 200), returnPNG=True)
