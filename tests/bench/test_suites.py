import csv

import pytest

from pushforward.bench import PEERS, SUITES, Suite, run
from pushforward.core import InvalidInput


def silent(line):
    pass


def seeds(folder):
    with (folder / "results.csv").open(newline="") as file:
        return [line["seed"] for line in csv.DictReader(file)]


@pytest.mark.parametrize("budgets", SUITES.values(), ids=list(SUITES))
def test_every_suite_has_two_budgets(budgets):
    assert isinstance(budgets.full, Suite)
    assert isinstance(budgets.quick, Suite)
    assert budgets.full != budgets.quick


def test_the_suites_that_the_outside_relies_on():
    assert {"two_dim", "training_speed"} <= SUITES.keys()


def test_gives_and_keeps_the_rows(stub, row, tmp_path):
    stub([row()], [row(seed=1), row(seed=2)])
    lines = []
    assert run(["stub"], out=tmp_path, say=lines.append) == [row(), row(seed=1), row(seed=2)]
    assert seeds(tmp_path) == ["0", "1", "2"]
    assert lines == ["measured 1", "measured 2"]


def test_a_killed_bench_keeps_what_it_measured(stub, row, tmp_path):
    stub([row()], [row(seed=1)], None)
    with pytest.raises(KeyboardInterrupt):
        run(["stub"], out=tmp_path, say=silent)
    assert seeds(tmp_path) == ["0", "1"]
    stub([row()], [row(seed=1)], [row(seed=2)])
    assert len(run(["stub"], out=tmp_path, say=silent)) == 3
    assert seeds(tmp_path) == ["0", "1", "2"]


def test_quick_takes_the_small_budget(stub, row, tmp_path):
    stub([row()], [row(seed=1)])
    assert run(["stub"], quick=True, out=tmp_path, say=silent) == [row()]


def test_no_names_run_all(monkeypatch, stub, row, tmp_path):
    stub([row()])
    for name in set(SUITES) - {"stub"}:
        monkeypatch.delitem(SUITES, name)
    assert run(out=tmp_path, say=silent) == [row()]


def test_a_suite_named_twice_runs_once(stub, row, tmp_path):
    stub([row()])
    assert run(["stub", "stub"], out=tmp_path, say=silent) == [row()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"suites": ["two_dims"]}, "unknown suite 'two_dims'; did you mean two_dim?"),
        ({"suites": ["xyz"]}, "unknown suite 'xyz'; known: carflow, learned_couplings, training_speed, two_dim"),
        ({"peers": ["torchfcm"]}, "unknown peer 'torchfcm'; did you mean torchcfm?"),
    ],
)
def test_unknown_names(given, message, tmp_path):
    with pytest.raises(InvalidInput) as error:
        run(**given, out=tmp_path / "out", say=silent)
    assert str(error.value) == message
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(stub, row, tmp_path):
    stub([row()])
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="file"):
        run(["stub"], out=tmp_path / "file", say=silent)


def test_an_absent_peer_is_left_out_with_the_way_to_install_it(stub, row, tmp_path, monkeypatch):
    monkeypatch.setitem(PEERS, "no_such_library", "pip install no-such-library")
    stub([row()])
    lines = []
    assert run(["stub"], peers=["no_such_library"], out=tmp_path, say=lines.append) == [row()]
    assert lines[0] == (
        "no_such_library is not installed and is left out; install it with `pip install no-such-library`"
    )
