"""Tables of numbers: csv, parquet, npy, npz."""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pushforward.core import InvalidInput, nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.checks import require_finite
from pushforward.data.dataset import Dataset, random_split
from pushforward.data.loaders.extras import optional
from pushforward.data.transforms import Standardise

__all__ = ["Table"]

_FRAMES = (".csv", ".csv.gz", ".parquet")
_ARRAYS = (".npy", ".npz")


class _Rows(NamedTuple):
    """What a file holds: numbers `[N, D]`, the names of their columns, labels `[N]` or vectors `[N, F]`."""

    x: np.ndarray
    cond: np.ndarray | None = None
    columns: tuple[str, ...] | None = None
    conditions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Table:
    """Rows of a csv (also gzipped), parquet, npy or npz file, standardised on the train part.

    A csv has a line of column names. An npy file is one array `[N, D]`; an npz file has it under the name `x`, and
    other arrays of N rows may serve as condition. One whole-number column as `cond` is read as labels counted from 0;
    anything else as a vector, as it is.

    Args:
        path: The file.
        columns: Columns to model (csv, parquet); all but the conditions when left out.
        cond: Column or columns to condition on (csv, parquet), or the name of an array (npz).
        test_fraction: Share held out, in (0, 1).
        seed: Of the split.

    Raises: `InvalidInput` for a missing or empty file, fewer than two rows, text or non-finite numbers (with row and
        column), unknown columns (with the nearest), arrays of objects or of the wrong shape.
    """

    path: str
    columns: Sequence[str] | None = None
    cond: str | Sequence[str] | None = None
    test_fraction: float = 0.1
    seed: int = 0

    def load(self) -> Dataset:
        """Reads, checks, splits, fits the transform."""
        path = Path(self.path).expanduser()
        require(path.is_file(), f"{self.path} is not a file; check the path")
        suffix = next((known for known in (*_FRAMES, *_ARRAYS) if path.name.lower().endswith(known)), None)
        require(suffix is not None, f"{self.path} is of no known kind, expected {', '.join((*_FRAMES, *_ARRAYS))}")
        require(path.stat().st_size > 0, f"{self.path} is empty; give a file with at least two rows")
        rows = self._from_frame(path) if suffix in _FRAMES else self._from_arrays(path)
        require(len(rows.x) >= 2, f"{self.path} has {len(rows.x)} row(s), expected at least 2")

        x = torch.as_tensor(rows.x.astype(np.float64), dtype=torch.get_default_dtype())
        require_finite(x, self.path, rows.columns)
        cond, classes = self._condition(rows)
        train, test = random_split(len(x), self.test_fraction, self.seed)
        return Dataset(
            *(Arrays(x[part], None if cond is None else cond[part]) for part in (train, test)),
            transform=Standardise.fit(x[train]),
            classes=classes,
            name=path.name.partition(".")[0],
            columns=rows.columns,
        )

    def _from_frame(self, path: Path) -> _Rows:
        frame = _read_frame(path)
        known = [str(name) for name in frame.columns]
        frame.columns = known
        conditions = [self.cond] if isinstance(self.cond, str) else list(self.cond or ())
        columns = [name for name in known if name not in conditions] if self.columns is None else list(self.columns)
        for name in (*columns, *conditions):
            require(name in known, f"{self.path} has no column {name!r}; {nearest(name, known)}")
        both = sorted(set(columns) & set(conditions))
        require(not both, f"column {both[:1]} is both in columns and in cond; leave it out of one")
        require(bool(columns), f"{self.path} has no column left to model; name fewer in cond")
        x = np.stack([self._numbers(frame[name]) for name in columns], 1)
        if not conditions:
            return _Rows(x, columns=tuple(columns))
        given = [self._numbers(frame[name]) for name in conditions]
        whole = len(given) == 1 and given[0].dtype.kind in "iub"
        return _Rows(x, given[0] if whole else np.stack(given, 1), tuple(columns), tuple(conditions))

    def _numbers(self, column: Any) -> np.ndarray:
        """A column as numbers; the first cell that is none is an error."""
        if column.dtype.kind in "iufb":
            # pandas' own number types have their own missing value; through float it becomes NaN
            return column.to_numpy(np.float64, na_value=np.nan) if column.hasnans else column.to_numpy()
        numbers = optional("pandas", "reading tables").to_numeric(column.astype(object), errors="coerce")
        for row in np.flatnonzero(numbers.isna() & column.notna())[:1]:
            cell, place = str(column.iloc[row]), f"row {row}, column {column.name!r} (counted from 0)"
            raise InvalidInput(
                f"{self.path} holds {cell!r} at {place}, expected a number; leave the column out or encode it"
            )
        return numbers.to_numpy(np.float64)

    def _from_arrays(self, path: Path) -> _Rows:
        require(
            self.columns is None, f"columns names columns of csv and parquet; {path.name} holds arrays without names"
        )
        require(
            self.cond is None or isinstance(self.cond, str),
            f"cond is {self.cond}, expected the name of one array of {path.name}",
        )
        arrays = self._read_arrays(path)
        have = ", ".join(sorted(arrays)) or "nothing"
        require("x" in arrays, f"{self.path} holds {have}, expected an array named x of shape [rows, columns]")
        x = arrays["x"]
        self._require_numbers(x, "x")
        advice = "use x[:, None]" if x.ndim == 1 else "use x.reshape(len(x), -1)"
        require(x.ndim == 2, f"x in {self.path} has shape {list(x.shape)}, expected [rows, columns]; {advice}")
        if self.cond is None:
            return _Rows(x)
        name = str(self.cond)
        require(name in arrays, f"{self.path} has no array {name!r}; {nearest(name, arrays)}")
        cond = arrays[name]
        self._require_numbers(cond, name)
        shapes = f"{name} in {self.path} has shape {list(cond.shape)}, expected [{len(x)}] or [{len(x)}, features]"
        require(cond.ndim in (1, 2) and len(cond) == len(x), shapes)
        labels = cond.ndim == 1 and cond.dtype.kind in "iub"
        return _Rows(x, cond if labels else cond.reshape(len(x), -1))

    def _read_arrays(self, path: Path) -> dict[str, np.ndarray]:
        try:
            found = np.load(path, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"x": found}
            with found:
                wanted = {"x", self.cond} & set(found.files)
                # arrays that nobody asked for stay unread; their names are for the messages
                return {name: found[name] if name in wanted else np.empty(0) for name in found.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            advice = "save plain numbers: arrays of objects and pickles are never read"
            raise InvalidInput(f"{self.path} cannot be read: {error}; {advice}") from error

    def _require_numbers(self, values: np.ndarray, name: str) -> None:
        require(values.dtype.kind in "iufb", f"{name} in {self.path} holds {values.dtype}, expected real numbers")

    def _condition(self, rows: _Rows) -> tuple[Tensor | None, int | None]:
        """Labels and how many there are, or vectors, or nothing."""
        if rows.cond is None:
            return None, None
        what = f"cond of {self.path}"
        if rows.cond.ndim == 2:
            cond = torch.as_tensor(rows.cond.astype(np.float64), dtype=torch.get_default_dtype())
            require_finite(cond, what, rows.conditions)
            return cond, None
        low, high = int(rows.cond.min()), int(rows.cond.max())
        # a whole number that large is a quantity; as a label it would ask for an embedding per unit
        require(
            low >= 0 and high < len(rows.cond),
            f"{what} holds whole numbers from {low} to {high}, expected labels 0, 1, ... fewer than rows "
            f"({len(rows.cond)}); renumber them, or store them as decimals to condition on their value",
        )
        return torch.as_tensor(rows.cond.astype(np.int64)), high + 1


def _read_frame(path: Path) -> Any:
    """A csv or parquet file as a pandas frame."""
    pandas = optional("pandas", "reading tables")
    try:
        if path.suffix == ".parquet":
            optional("pyarrow", "reading parquet")
            return pandas.read_parquet(path, engine="pyarrow")
        _require_header(path, pandas.read_csv(path, header=None, nrows=1).iloc[0])
        return pandas.read_csv(path)
    except InvalidInput:
        raise
    except (ValueError, OSError, EOFError) as error:  # pandas' and pyarrow's own errors are ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise InvalidInput(f"{path} cannot be read as a table: {reason}; mend the file or save it again") from error


def _require_header(path: Path, first: Iterable[Any]) -> None:
    """Refuse a csv whose first line is data: it would vanish as column names."""
    cells = [str(cell) for cell in first]
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return
    # 0, 1, 2, ... is how pandas names the columns of an array
    if numbers != list(range(len(cells))):
        raise InvalidInput(
            f"{path} begins with the numbers {', '.join(cells[:3])}; its first line must name the columns"
        )
