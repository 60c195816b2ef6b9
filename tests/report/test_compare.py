"""Runs side by side."""

import csv

import pytest

from pushforward.core import InvalidInput
from pushforward.report import compare


@pytest.fixture
def two(make_run, config):
    a = make_run("a", metrics={"mmd": 0.2, "mmd_floor": 0.1, "note": "words"})
    b = make_run(
        "b", config=config | {"seed": 4, "net": {"type": "MLP", "width": 128}}, metrics={"mmd": 0.3, "copies": 0}
    )
    return [a, b]


def test_the_table_has_what_differs_and_what_was_measured(two, tmp_path):
    result = compare(two, tmp_path / "out")
    assert result.settings == ("seed", "net.width")
    assert result.metrics == ("mmd", "mmd_floor", "copies")
    assert result.rows == (
        {"run": "a", "seed": 3, "net.width": 64, "mmd": 0.2, "mmd_floor": 0.1, "copies": None},
        {"run": "b", "seed": 4, "net.width": 128, "mmd": 0.3, "mmd_floor": None, "copies": 0.0},
    )


def test_the_files_hold_the_table_and_a_picture(two, tmp_path):
    result = compare(two, tmp_path / "out")
    assert result.figure.read_bytes().startswith(b"\x89PNG")
    with result.csv.open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"run": "a", "seed": "3", "net.width": "64", "mmd": "0.2", "mmd_floor": "0.1", "copies": ""},
            {"run": "b", "seed": "4", "net.width": "128", "mmd": "0.3", "mmd_floor": "", "copies": "0.0"},
        ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["compare.csv", "compare.png"]


def test_runs_of_one_name_are_told_apart_by_their_folders(make_run, tmp_path):
    result = compare([make_run("x/run"), make_run("y/run")], tmp_path)
    assert [row["run"] for row in result.rows] == ["x/run", "y/run"]


def test_one_run_is_a_table_too(make_run, tmp_path):
    result = compare([make_run(metrics={"n": 3})], tmp_path)
    assert result.settings == ()
    assert result.rows == ({"run": "run", "n": 3.0},)


def test_broken_samples_do_not_matter(two, tmp_path):
    (two[0] / "samples.npz").write_text("words")
    assert len(compare(two, tmp_path).rows) == 2


def test_what_cannot_be_compared(make_run, two, tmp_path):
    with pytest.raises(InvalidInput, match="no run to compare"):
        compare([], tmp_path)
    with pytest.raises(InvalidInput, match="named twice"):
        compare([two[0], two[0]], tmp_path)
    with pytest.raises(InvalidInput, match="run pushforward evaluate"):
        compare([make_run("c", metrics=None)], tmp_path)
    with pytest.raises(InvalidInput, match="there is no run folder"):
        compare([tmp_path / "nowhere"], tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidInput, match=r"cannot write .*compare\.csv"):
        compare(two, tmp_path / "file")
