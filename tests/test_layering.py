"""Rooms import downwards only."""

import ast
from pathlib import Path

import pytest

import pushforward

LEVELS = {
    "core": 0,
    "spaces": 1,
    "transport": 1,
    "nets": 1,
    "paths": 2,
    "metrics": 2,
    "couplings": 3,
    "fields": 3,
    "oracles": 3,
    "data": 3,
    "objectives": 4,
    "solvers": 4,
    "guidance": 4,
    "inference": 5,
    "training": 5,
    "recipes": 6,
    "config": 6,
    "flow": 7,
    "report": 7,
    "bench": 8,
    "cli": 9,
}
ROOT = Path(pushforward.__file__).parent


def room_of(file):
    first = file.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_rooms(tree):
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room they reach"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "pushforward" and len(parts) > 1:
                yield parts[1]


def breaches(source, room):
    return {
        other
        for other in imported_rooms(ast.parse(source))
        if other in LEVELS and other != room and LEVELS[other] >= LEVELS[room]
    }


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(ROOT.rglob("*.py")) if room_of(f) not in ("__init__", "__main__")],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_imports_point_downwards(file):
    room = room_of(file)
    assert room in LEVELS, f"{room} is no room of the house"
    assert not breaches(file.read_text(), room)


def test_a_breach_is_found():
    assert breaches("from pushforward.training import Training", "paths") == {"training"}
    assert breaches("import pushforward.metrics", "paths") == {"metrics"}
    assert breaches("from pushforward import solvers", "guidance") == {"solvers"}
    assert not breaches("from pushforward.core import align", "paths")


@pytest.mark.parametrize("room", sorted(set(LEVELS) - {"flow", "cli"}))
def test_every_room_says_what_lives_there(room):
    text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
    assert text
    assert len(text.split()) >= 15
