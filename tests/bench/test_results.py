import csv
import os

import pytest

from pushforward.bench import Result, Results
from pushforward.core import InvalidInput

COLUMNS = ["suite", "case", "method", "metric", "value", "unit", "seed", "source"]


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_columns_are_the_contract(tmp_path, row):
    assert list(Result._fields) == COLUMNS
    Results(tmp_path / "results.csv").add(row(value=0.1 + 0.2, unit="s"), row(method="paper", seed=None))
    head, *lines = read(tmp_path / "results.csv")
    assert head == COLUMNS
    assert lines == [
        ["stub", "a, b", "m", "wasserstein", "0.30000000000000004", "s", "0", "ours"],
        ["stub", "a, b", "paper", "wasserstein", "0.1", "", "", "ours"],
    ]


def test_earlier_rows_stay_and_measured_ones_are_replaced(tmp_path, row):
    path = tmp_path / "results.csv"
    Results(path).add(row(), row(seed=None), row(seed=1))
    Results(path).add(row(seed=1, value=2.0), row(source="torchcfm", value=3.0))
    values = [(line[6], line[7], float(line[4])) for line in read(path)[1:]]
    assert values == [("0", "ours", 0.1), ("", "ours", 0.1), ("1", "ours", 2.0), ("0", "torchcfm", 3.0)]


def test_a_failed_write_leaves_the_old_file(tmp_path, row, monkeypatch):
    path = tmp_path / "results.csv"
    results = Results(path)
    results.add(row())
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidInput, match="No space left"):
        results.add(row(seed=1))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["results.csv"]


@pytest.mark.parametrize(
    "content",
    [
        b"name,age\nx,1\n",
        ",".join(COLUMNS).encode() + b"\nstub,c,m,w,many,,0,ours\n",
        ",".join(COLUMNS).encode() + b"\nstub,c,m,w,1.0,,0,ours,more\n",
        ",".join(COLUMNS).encode() + b"\nstub,c,m\n",
        b"\xff\xfe\x00",
    ],
)
def test_refuses_other_files(tmp_path, content):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is no table of results"):
        Results(path)
    assert path.read_bytes() == content
