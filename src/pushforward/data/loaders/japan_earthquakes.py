"""Earthquakes around Japan, as sequences in time."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from pushforward.core import Events, InvalidInput, require
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import local_arrays

__all__ = ["JapanEarthquakes"]

_LOCAL = "events/japan_earthquakes.npz"
_PARTS = (0.7, 0.85)  # where train and validation end, as shares of the windows


@dataclass(frozen=True)
class JapanEarthquakes:
    """Times of the 37,581 earthquakes around Japan from 1990 to 2019, in days, cut into windows; see `core.Events`.

    Every window starts without a past. The split is by time: 70 percent of the windows to learn from, 15 to choose by,
    which hold the Tohoku earthquake of 2011, and the last 15 to report. Events in the same instant as the one before
    are left out. Times are in days.

    With their magnitudes, rows have `marks` besides, as the catalogue gives them: 2.7 to 9.1, most of them rounded to a
    tenth, 0 in padded places.

    Read from `events/japan_earthquakes.npz` below `$PUSHFORWARD_DATA`, with `t_days` since 1990-01-01 UTC and `mag`.

    Source: USGS ComCat, as collected in https://github.com/ss15859/EarthquakeNPP.

    Args:
        days: Length of a window; what is left at the end of the catalogue is not used.
        validation: Judge by the second part instead of the third.
        magnitudes: Whether rows have marks.

    Raises: `InvalidInput` for windows that are too long for ten of them, and without the file.
    """

    days: float = 30.0
    validation: bool = False
    magnitudes: bool = False

    def __post_init__(self) -> None:
        require(0 < self.days <= 1000, f"JapanEarthquakes.days is {self.days}, expected a length in (0, 1000]")

    def load(self) -> Dataset:
        """The split of the file; rows are mappings with gaps, number and rest, and marks if asked for."""
        found = local_arrays((_LOCAL,), ("t_days", *(["mag"] if self.magnitudes else [])))
        if found is None:
            raise InvalidInput(f"JapanEarthquakes downloads nothing; set PUSHFORWARD_DATA to a folder with {_LOCAL}")
        times, order = np.unique(found[1][0].astype(np.float64), return_index=True)
        windows = int(times[-1] // self.days)
        require(windows >= 10, f"the catalogue holds {windows} windows of {self.days} days, expected at least 10")
        edges = self.days * np.arange(windows + 1)
        places = np.searchsorted(times, edges, side="right")
        windowed = lambda values: [values[a:b] for a, b in pairwise(places)]
        rows = [row - edge for row, edge in zip(windowed(times), edges[:-1], strict=True)]
        marks = windowed(found[1][1][order].astype(np.float64)) if self.magnitudes else None
        first, second = (round(share * windows) for share in _PARTS)
        held = slice(first, second) if self.validation else slice(second, None)
        # one length for both parts, as rows of one data set have
        longest = max(map(len, rows[:first] + rows[held]))

        def arrays(part: slice) -> Arrays:
            state = Events.at([row.tolist() for row in rows[part]], end=self.days, length=longest)._asdict()
            if marks is not None:
                padded = np.stack([np.pad(row, (0, longest - len(row))) for row in marks[part]])
                state["marks"] = torch.from_numpy(padded).to(torch.get_default_dtype())
            return Arrays(state)

        return Dataset(arrays(slice(first)), arrays(held), name="japan earthquakes")
