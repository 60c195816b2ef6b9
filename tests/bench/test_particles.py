import math

from pushforward.bench import Job, particles
from pushforward.bench.particles import COUPLINGS, FEW, SOURCE, TRUTH, ParticlesSuite
from pushforward.data import DoubleWellParticles


def test_every_coupling_is_measured_beside_the_law(tmp_path, monkeypatch):
    monkeypatch.setattr(particles, "FINE", 2)
    suite = ParticlesSuite(DoubleWellParticles(steps=200), steps=2, batch=8, rows=40, points=30, scored=4)
    rows = [row for rows in suite.measure(Job((), tmp_path, lambda line: None)) for row in rows]
    found = {(row.case.split(",")[0], row.method, row.metric): row.value for row in rows}
    flow = {"energy_w1", "distance_w1", "path_energy", "straightness", "nll", "ess", "seconds"}
    flow |= {f"energy_w1_euler_{steps}" for steps in FEW}
    expected = {("DW-4", name, metric) for name in COUPLINGS for metric in flow}
    expected |= {("DW-4", SOURCE, metric) for metric in ("energy_w1", "distance_w1")}
    expected |= {("DW-4", TRUTH, metric) for metric in ("energy_w1", "distance_w1", "nll")}
    expected |= {("pair", "independent", "nll"), ("pair", "independent", "above_truth"), ("pair", TRUTH, "nll")}
    assert set(found) == expected
    assert all(math.isfinite(value) for value in found.values())
    assert found["DW-4", TRUTH, "energy_w1"] < 0.1 * found["DW-4", SOURCE, "energy_w1"]
    assert abs(found["pair", TRUTH, "nll"] - 3.3897) < 1e-3  # log Z + E[E], by an independent quadrature
    assert all(row.case.endswith("quick (2 steps, 30 points)") for row in rows)
    assert (tmp_path / "particles.png").read_bytes().startswith(b"\x89PNG")
