import pytest
import torch

from pushforward.bench import few_step
from pushforward.bench.few_step import PAIRED, SCRATCH, TAUGHT, FewStep, _Net, distance, jumps, mixture, off
from pushforward.bench.few_step_reference import REFERENCE
from pushforward.bench.job import Job
from pushforward.fields import NetMap
from pushforward.solvers import RK4, solve


@pytest.mark.story
def test_every_method_is_measured_beside_its_reference(monkeypatch, tmp_path):
    monkeypatch.setattr(few_step, "RACED", ("fm", "ot_cfm", "shortcut30"))
    rows = [row for case in FewStep(2, 50, (0,)).measure(Job((), tmp_path, lambda line: None)) for row in case]
    ours = {row.method for row in rows if row.source == "ours" and "gaussians" in row.case and row.seed == 0}
    assert ours == SCRATCH.keys() | TAUGHT.keys() | PAIRED.keys()
    assert {name for name, _, _ in REFERENCE} <= ours
    measured = {(row.method, row.metric) for row in rows if row.source == "ours"}
    assert {(name, metric) for name, metric, _ in REFERENCE} <= measured
    moons = {row.method for row in rows if row.case.startswith("moons")}
    assert {"shortcut30", "fm, Euler", "fm, Heun", "fm, equal time, Euler", "ot_cfm, equal time, Heun"} <= moons


def test_exact_jumps_have_no_error(monkeypatch):
    """The exact map in one call: nothing is off, and what is left of the distance is the floor of two draws."""
    velocity = mixture()
    exact, x0, real = FewStep(points=500)._exact(velocity, few_step.EightGaussians(2.0, 0.2))
    x = solve(velocity, x0.double(), torch.linspace(0, 1, 65), solver=RK4()).x.float()
    assert off(x, exact) == 0
    assert distance(x, real) < 0.3


def test_an_untrained_network_is_told_both_times():
    torch.manual_seed(0)
    found, x = NetMap(_Net()), torch.zeros(3, 2)
    (one, a), (two, b) = jumps(found, x, (1, 2))
    assert (one, two) == (1, 2)
    assert not torch.equal(a, b)
