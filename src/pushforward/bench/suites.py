"""The suites there are, and the door to them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pushforward.bench.carflow import CARFlowLine
from pushforward.bench.characters import CharactersSuite
from pushforward.bench.conditional_ot import ConditionalTransport
from pushforward.bench.couplings import Couplings
from pushforward.bench.couplings_entropic import CouplingsEntropic
from pushforward.bench.couplings_exact import ExactCouplings
from pushforward.bench.digits_one_step import DigitsOneStep
from pushforward.bench.discrete import Discrete
from pushforward.bench.dna import DNAPromoters
from pushforward.bench.dna_guided import GuidedDNA
from pushforward.bench.domains import Domains
from pushforward.bench.earth import Earth
from pushforward.bench.exact_wasserstein import ExactWasserstein
from pushforward.bench.few_step import FewStep
from pushforward.bench.few_step_cost import FewStepCost
from pushforward.bench.graphs import Graphs
from pushforward.bench.job import Job, Suite
from pushforward.bench.layout import Layout
from pushforward.bench.learned_couplings import LearnedCouplings
from pushforward.bench.likelihood import LikelihoodSuite
from pushforward.bench.mesh import MeshSuite
from pushforward.bench.outliers import Outliers
from pushforward.bench.particles import ParticlesSuite
from pushforward.bench.peers import present
from pushforward.bench.point_process import PointProcess
from pushforward.bench.rectification import Rectification
from pushforward.bench.results import Result, Results
from pushforward.bench.schedule_change import ScheduleChange
from pushforward.bench.se3 import SE3Suite
from pushforward.bench.simplex import Simplex
from pushforward.bench.smiles import Molecules
from pushforward.bench.so3 import SO3Suite
from pushforward.bench.three_marginals import ThreeMarginals
from pushforward.bench.torsions import TorsionsSuite
from pushforward.bench.training_speed import TrainingSpeed
from pushforward.bench.transfer import Transfer
from pushforward.bench.two_dim import TwoDim
from pushforward.bench.work_precision import WorkPrecision
from pushforward.core import nearest, require

__all__ = ["SUITES", "Budgets", "run"]


class Budgets(NamedTuple):
    """A suite at the budget that counts, and at one for a first look."""

    full: Suite
    quick: Suite


SUITES: dict[str, Budgets] = {
    "transfer": Budgets(Transfer(), Transfer(steps=(200, 20), points=500, seeds=(0,))),
    "two_dim": Budgets(TwoDim(), TwoDim(steps=2000, points=2000, seeds=(0,))),
    "c2ot": Budgets(ConditionalTransport(), ConditionalTransport(steps=1000, points=1000, seeds=(0,))),
    "characters": Budgets(CharactersSuite(), CharactersSuite(steps=30, windows=32, strata=4, samples=8)),
    "carflow": Budgets(CARFlowLine(), CARFlowLine(steps=500, points=2000, seeds=(0,))),
    "digits_one_step": Budgets(DigitsOneStep(), DigitsOneStep(steps=200, seeds=(0,))),
    "domains": Budgets(Domains(), Domains(steps=300, points=1000, seeds=(0,))),
    "discrete": Budgets(Discrete(), Discrete(steps=(4, 16), points=500, strata=8, training=20)),
    "dna": Budgets(DNAPromoters(), DNAPromoters(steps=(30, 10), recogniser_steps=60, turns=1, follow=16)),
    "dna_guided": Budgets(
        GuidedDNA(),
        GuidedDNA(steps=30, recogniser_steps=60, rows=48, follow=16, scales=(0.0, 2.0, 8.0), pushes=(0.0, 4.0, 16.0)),
    ),
    "earth": Budgets(Earth(), Earth(steps=300, solver_steps=20, seeds=(0,))),
    "few_step_2d": Budgets(FewStep(), FewStep(steps=300, points=1000, seeds=(0,), others=False)),
    "few_step_cost": Budgets(FewStepCost(), FewStepCost(steps=3, turns=1)),
    "layout": Budgets(Layout(), Layout(steps=20, layouts=100)),
    "graphs": Budgets(Graphs(), Graphs(10, 20, planar_steps=2, planar_graphs=4, follow=10)),
    "learned_couplings": Budgets(LearnedCouplings(), LearnedCouplings(steps=100, seeds=(0,))),
    "rectification": Budgets(
        Rectification(), Rectification(steps=300, round_steps=100, pairs=2000, points=500, seeds=(0,))
    ),
    "schedule_change": Budgets(ScheduleChange(), ScheduleChange(steps=100, samples=200, seeds=(0,))),
    "likelihood": Budgets(
        LikelihoodSuite(),
        LikelihoodSuite(moons_steps=300, digits_steps=60, dequantiser_steps=5, moons=200, digits=20, density_steps=10),
    ),
    "mesh": Budgets(MeshSuite(), MeshSuite(steps=100, points=1000)),
    "particles": Budgets(ParticlesSuite(), ParticlesSuite(steps=60, rows=500, points=200, scored=50)),
    "torsions": Budgets(TorsionsSuite(), TorsionsSuite(steps=200, components=20, rows=200)),
    "se3": Budgets(SE3Suite(), SE3Suite(steps=200, points=500)),
    "so3": Budgets(SO3Suite(), SO3Suite(steps=300, points=50)),
    "smiles": Budgets(Molecules(), Molecules(steps=20, molecules=20)),
    "simplex": Budgets(Simplex(), Simplex((20, 40), training=100, steps=20, points=1000)),
    "point_process": Budgets(PointProcess(), PointProcess(rows=40, steps=20, quake_steps=10)),
    "training_speed": Budgets(TrainingSpeed(), TrainingSpeed(steps=200, repeats=3)),
    "three_marginals": Budgets(ThreeMarginals(), ThreeMarginals(steps=1500, points=1000, seeds=(0,))),
    "work_precision": Budgets(WorkPrecision(), WorkPrecision(rows=32, evaluations=(8, 16), reference=200)),
    "outliers": Budgets(Outliers(), Outliers(batches=20, steps=500, points=500, seeds=(0,))),
    "couplings": Budgets(
        Couplings((ExactCouplings(), ExactWasserstein(), CouplingsEntropic())),
        Couplings(
            (
                ExactCouplings(sizes=(256, 512), repeats=3),
                ExactWasserstein(points=2000, repeats=1),
                CouplingsEntropic((256,), sparse_size=128, points=10_000, directions=50, energy_points=2000, repeats=3),
            )
        ),
    ),
}


def run(
    suites: Sequence[str] = (),
    *,
    quick: bool = False,
    peers: Sequence[str] = (),
    out: Path = Path("runs/bench"),
    say: Callable[[str], object] = print,
) -> list[Result]:
    """Run suites; keep every row in `out/results.csv` as soon as it is measured.

    Args:
        suites: Names from `SUITES`; none runs all of them.
        quick: A small budget, which the names of the cases tell.
        peers: Names from `PEERS` to race with; one that is not installed is left out, and `say` says so.
        out: Folder for `results.csv` and pictures; rows of earlier runs that are not measured again stay.
        say: Takes one line of progress.

    Returns: The rows that were measured now.
    Raises: `InvalidInput` for an unknown suite or peer, with the nearest name, and for a folder that cannot be used.
    """
    for name in suites:
        require(name in SUITES, f"unknown suite {name!r}; {nearest(name, SUITES)}")
    job = Job(present(peers, say), out, say)
    results = Results(out / "results.csv")
    measured: list[Result] = []
    for name in dict.fromkeys(suites or SUITES):
        suite = SUITES[name].quick if quick else SUITES[name].full
        for rows in suite.measure(job):
            results.add(*rows)
            measured += rows
    return measured
