"""Tables: what is read, how it is split and scaled, and one sentence for everything that can be wrong."""

import gzip
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.data import Standardise, Table


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": 5 + 2 * rng.standard_normal(40),
            "b": rng.integers(0, 9, 40),
            "flat": 1.5,
            "kind": np.arange(40) % 3,
            "dose": rng.random(40),
        }
    )


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def everything(data):
    """All rows of both parts, in one order."""
    parts = [data.train.take(10**6), data.test.take(10**6)]
    x = torch.cat([x for x, _ in parts])
    order = x[:, 0].argsort()
    return x[order], None if parts[0][1] is None else torch.cat([c for _, c in parts])[order]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "npy", "npz"])
def test_every_format_gives_the_same_rows(suffix, frame, tmp_path):
    path = str(tmp_path / f"t.{suffix}")
    if suffix.startswith("csv"):
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "npy":
        np.save(path, frame.to_numpy())
    else:
        np.savez(path, x=frame.to_numpy(), other=np.zeros(3))
    data = Table(path).load()
    expected = torch.tensor(frame.sort_values("a").to_numpy(), dtype=torch.float32)
    assert torch.allclose(everything(data)[0], expected)
    assert (len(data.train), len(data.test), data.shape, data.name) == (36, 4, (5,), "t")
    assert data.columns == (None if suffix.startswith("np") else tuple(frame.columns))


def test_the_transform_is_fitted_on_the_train_part(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = Table(str(tmp_path / "t.csv"), test_fraction=0.5).load()
    assert isinstance(data.transform, Standardise)
    y = data.transform.forward(data.train.take(99)[0])
    assert torch.allclose(y.mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(y.std(0, correction=0), torch.tensor([1.0, 1, 0, 1, 1]), atol=1e-5)
    assert data.transform.forward(data.test.take(99)[0]).mean(0).abs().max() > 0.05


@pytest.mark.parametrize("cond", ["kind", ["kind"], ("kind",)])
def test_one_whole_number_column_is_a_label(cond, frame, tmp_path):
    frame.to_parquet(tmp_path / "t.parquet")
    data = Table(str(tmp_path / "t.parquet"), columns=["dose", "a"], cond=cond).load()
    x, label = everything(data)
    by_dose = frame.sort_values("dose")
    assert torch.allclose(x, torch.tensor(by_dose[["dose", "a"]].to_numpy().copy(), dtype=torch.float32))
    assert label.tolist() == by_dose["kind"].tolist()
    assert (data.classes, data.features, label.dtype) == (3, None, torch.int64)


@pytest.mark.parametrize(("cond", "features"), [("dose", 1), (["dose", "kind"], 2)])
def test_other_conditions_are_vectors(cond, features, frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = Table(str(tmp_path / "t.csv"), cond=cond).load()
    x, vector = everything(data)
    assert (data.classes, data.features) == (None, features)
    assert vector.shape == (40, features)
    assert x.shape == (40, 5 - features)
    assert torch.allclose(vector[:, 0], torch.tensor(frame.sort_values("a")["dose"].to_numpy(), dtype=torch.float32))


@pytest.mark.parametrize(
    ("cond", "classes", "features"),
    [(np.arange(10) % 4, 4, None), (np.arange(10) / 3, None, 1), (np.ones((10, 3)), None, 3)],
)
def test_an_array_beside_x_is_a_condition(cond, classes, features, tmp_path):
    np.savez(tmp_path / "t.npz", x=np.arange(20.0).reshape(10, 2), time=cond)
    data = Table(str(tmp_path / "t.npz"), cond="time").load()
    assert (data.classes, data.features) == (classes, features)
    given = torch.as_tensor(cond.reshape(10, -1), dtype=torch.float32)
    assert torch.allclose(everything(data)[1].reshape(10, -1).float(), given)


def test_the_split_depends_on_the_seed_alone(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    first, again, other = (Table(str(tmp_path / "t.csv"), seed=seed).load().test.take(9)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_columns_named_by_position_and_booleans_are_fine(write):
    path = write("t.csv", "0,1\n1.5,True\n2.5,False\n3.5,True\n")
    assert everything(Table(path).load())[0].tolist() == [[1.5, 1.0], [2.5, 0.0], [3.5, 1.0]]


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "t.npz", **arrays)
    return str(tmp_path / "t.npz")


def npy(tmp_path, array):
    np.save(tmp_path / "t.npy", array)
    return str(tmp_path / "t.npy")


CSV = {
    "text": ("a,b\n1,2\n3,abc\n", {}, "holds 'abc' at row 1, column 'b' .*expected a number"),
    "nan": ("a,b\n1,2\n3,\n", {}, "holds nan at row 1, column 'b'"),
    "inf": ("a,b\n-inf,2\n3,4\n", {}, "holds -inf at row 0, column 'a'"),
    "overflow": ("a,b\n1e60,2\n3,4\n", {}, "holds inf at row 0, column 'a'"),
    "empty": ("", {}, "is empty"),
    "blank": ("\n\n", {}, "cannot be read as a table"),
    "header only": ("a,b\n", {}, r"has 0 row\(s\), expected at least 2"),
    "one row": ("a,b\n1,2\n", {}, r"has 1 row\(s\), expected at least 2"),
    "no header": ("1.5,2\n3,4\n5,6\n", {}, "begins with the numbers 1.5, 2.0; its first line must name"),
    "ragged": ("a,b\n1,2\n3,4,5\n", {}, "cannot be read as a table: .*line 3"),
    "unknown column": ("alpha,beta\n1,2\n3,4\n", {"columns": ["alpa"]}, "no column 'alpa'; did you mean alpha"),
    "unknown cond": ("alpha,beta\n1,2\n3,4\n", {"cond": "gama"}, "no column 'gama'; did you mean alpha|known"),
    "twice": ("a,b\n1,2\n3,4\n", {"columns": ["a"], "cond": "a"}, r"column \['a'\] is both"),
    "nothing left": ("a\n1\n3\n", {"cond": "a"}, "no column left to model"),
    "negative labels": ("a,b\n1,-1\n3,0\n", {"cond": "b"}, "whole numbers from -1 to 0, expected labels 0, 1"),
    "quantities": ("a,b\n1,1990\n3,2020\n", {"cond": "b"}, "whole numbers from 1990 to 2020"),
    "cond nan": ("a,b\n1,.5\n3,\n", {"cond": "b"}, "cond of .* holds nan at row 1, column 'b'"),
    "fraction": ("a,b\n1,2\n3,4\n", {"test_fraction": 1.0}, "test_fraction is 1.0"),
}


@pytest.mark.parametrize("case", CSV)
def test_bad_csv_gets_one_sentence(case, write):
    content, options, message = CSV[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        Table(write("t.csv", content), **options).load()
    assert "\n" not in str(caught.value)


ARRAYS = {
    "no x": (lambda p: npz(p, y=np.ones((3, 2))), {}, "holds y, expected an array named x"),
    "flat": (lambda p: npy(p, np.ones(3)), {}, r"shape \[3\], expected \[rows, columns\]; use x\[:, None\]"),
    "cube": (lambda p: npy(p, np.ones((3, 2, 2))), {}, r"shape \[3, 2, 2\], .*use x.reshape\(len\(x\), -1\)"),
    "objects": (lambda p: npy(p, np.array([[{}], [1]], dtype=object)), {}, "arrays of objects and pickles are never"),
    "complex": (lambda p: npy(p, np.ones((3, 2), complex)), {}, "x in .* holds complex128, expected real numbers"),
    "text": (lambda p: npz(p, x=np.array([["a"], ["b"]])), {}, "x in .* holds <U1, expected real numbers"),
    "nan": (lambda p: npy(p, np.array([[1, 2], [3, np.nan]])), {}, "holds nan at row 1, column 1"),
    "one row": (lambda p: npy(p, np.ones((1, 2))), {}, r"has 1 row\(s\)"),
    "columns": (lambda p: npy(p, np.ones((3, 2))), {"columns": ["a"]}, "arrays without names"),
    "unknown cond": (lambda p: npz(p, x=np.ones((3, 2)), time=np.ones(3)), {"cond": "tme"}, "did you mean time"),
    "two conds": (lambda p: npz(p, x=np.ones((3, 2))), {"cond": ["a", "b"]}, "expected the name of one array"),
    "short cond": (lambda p: npz(p, x=np.ones((3, 2)), c=np.ones(2)), {"cond": "c"}, r"shape \[2\], expected \[3\] or"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays_get_one_sentence(case, tmp_path):
    build, options, message = ARRAYS[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        Table(build(tmp_path), **options).load()
    assert "\n" not in str(caught.value)


FILES = {
    "t.xlsx": (b"PK", "of no known kind, expected .csv, .csv.gz, .parquet, .npy, .npz"),
    "t.npz": (b"not a zip file", "cannot be read"),
    "t.npy": (b"\x80\x04K\x01.", "never read"),
    "t.parquet": (b"PAR1 not really", "cannot be read as a table"),
    "t.csv.gz": (b"not gzip", "cannot be read as a table"),
    "t.csv": (b"\xff\xfe\x00\xd8,\x00\n", "cannot be read as a table"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_get_one_sentence(name, write):
    content, message = FILES[name]
    with pytest.raises(InvalidInput, match=message) as caught:
        Table(write(name, content)).load()
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(InvalidInput, match="is not a file; check the path"):
            Table(str(path)).load()


def test_truncated_gzip_is_refused(write):
    content = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    with pytest.raises(InvalidInput, match="cannot be read as a table"):
        Table(write("t.csv.gz", content[:-20])).load()


def test_dates_are_no_numbers(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0], "day": pd.to_datetime(["2020-01-01", "2020-01-02"])}).to_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(InvalidInput, match=r"at row 0, column 'day' .*expected a number"):
        Table(str(tmp_path / "t.parquet")).load()


def test_missing_whole_numbers_are_found(tmp_path):
    pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidInput, match="holds nan at row 1, column 'a'"):
        Table(str(tmp_path / "t.parquet")).load()


def test_the_missing_extra_is_named(write, monkeypatch):
    path = write("t.csv", "a\n1\n2\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InvalidInput, match=r"needs pandas, which is missing; pip install 'pushforward\[files\]'"):
        Table(path).load()


def test_real_tables(shared_data):
    cells = Table(str(shared_data / "single_cell" / "eb_phate2d.npz"), cond="time").load()
    assert (cells.shape, cells.classes, len(cells.train) + len(cells.test)) == ((2,), 5, 16585)
