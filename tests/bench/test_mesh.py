import math

import pytest

from pushforward.bench import Job
from pushforward.bench.mesh import COUPLINGS, FLOOR, NOISE, MeshSuite
from pushforward.data import MeshFile
from pushforward.spaces import Mesh


@pytest.fixture
def ball(tmp_path):
    mesh = Mesh.icosphere(2)
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in mesh.faces.tolist()]
    path = tmp_path / "ball.obj"
    path.write_text("\n".join(lines))
    return MeshFile(str(path), 2)


def measure(suite, out):
    return [row for rows in suite.measure(Job((), out, lambda line: None)) for row in rows]


def test_scores_are_measured_and_drawn(ball, tmp_path):
    rows = measure(MeshSuite(ball, steps=2, batch=4, states=3, modes=24, points=60), tmp_path)
    found = {(row.method, row.metric): row.value for row in rows}
    ours = {(m, metric) for m in COUPLINGS for metric in ("c2st", "off_surface", "seconds")}
    assert set(found) == {(FLOOR, "c2st"), (NOISE, "c2st")} | ours
    assert all(math.isfinite(value) for value in found.values())
    assert all(found[m, "off_surface"] < 1e-6 for m in COUPLINGS)
    assert all(row.case == "ball, eigenfunction 2, quick (2 steps, 60 points)" for row in rows)
    assert (tmp_path / "mesh.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.story
def test_a_density_is_learned(ball, tmp_path):
    """One hump over half of the ball, told from uniform draws nearly three times of four."""
    rows = measure(MeshSuite(ball, steps=150, batch=24, states=8, modes=48, points=800), tmp_path)
    found = {row.method: row.value for row in rows if row.metric == "c2st"}
    assert found[NOISE] > 0.65
    # chance is 0.5, with a standard deviation of 0.0125
    assert all(found[m] < 0.58 for m in COUPLINGS)
