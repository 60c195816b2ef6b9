"""The scripts in `examples/`, with tiny settings: that each runs and tells what it promises."""

import math
import runpy
from pathlib import Path

import pytest

from pushforward.spaces import Mesh

EXAMPLES = Path(__file__).parent.parent / "examples"


def main_of(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_rotations():
    found = main_of("rotations")(steps=3, rows=20)
    assert all(map(math.isfinite, found.values()))
    assert found["off SO(3)"] < 1e-5
    assert found["nll of the law"] < math.log(8 * math.pi**2)  # the uniform law has most


def test_mesh(tmp_path):
    found = main_of("mesh")(Mesh.icosphere(2), steps=2, rows=60, out=tmp_path / "mesh.png")
    assert set(found) == {"c2st", "c2st of uniform points"}
    assert (tmp_path / "mesh.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.story
def test_rotations_are_learned():
    """From the uniform law's 4.37 nats at least three quarters of the way to the law's own; no better than the law."""
    found = main_of("rotations")(steps=500, rows=100)
    uniform, law = math.log(8 * math.pi**2), found["nll of the law"]
    assert law - 0.1 < found["nll"] < law + (uniform - law) / 4
