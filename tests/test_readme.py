"""What the README shows runs."""

import re
from pathlib import Path

import pytest

from pushforward import recipes
from pushforward.config import METHODS, kinds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.story
def test_the_lines_of_python_run():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    scope = {}
    exec(code.replace('pf.Flow("moons", seed=0)', 'pf.Flow("moons", seed=0, training={"steps": 50})'), scope)
    assert scope["x"].shape == (1000, 2)
    assert scope["y"].shape == (10, 2)


def test_files_and_commands_that_it_names_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"pushforward train (\w+)", README):
        assert name in recipes.names(), name
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_every_registered_part_is_in_its_table():
    table = README.split("## What there is")[1]
    for members in kinds().values():
        for name, part in members.items():
            room = part.__module__.split(".")[1]
            if room in ("paths", "couplings", "solvers", "guidance", "nets"):
                assert f"`{name}`" in table, name
    assert METHODS
