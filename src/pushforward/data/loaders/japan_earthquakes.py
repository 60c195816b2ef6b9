"""Earthquakes around Japan, as sequences in time."""

from dataclasses import dataclass

import numpy as np

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

    Read from `events/japan_earthquakes.npz` below `$PUSHFORWARD_DATA`, with `t_days` since 1990-01-01 UTC.

    Source: USGS ComCat, as collected in https://github.com/ss15859/EarthquakeNPP.

    Args:
        days: Length of a window; what is left at the end of the catalogue is not used.
        validation: Judge by the second part instead of the third.

    Raises: `InvalidInput` for windows that are too long for ten of them, and without the file.
    """

    days: float = 30.0
    validation: bool = False

    def __post_init__(self) -> None:
        require(0 < self.days <= 1000, f"JapanEarthquakes.days is {self.days}, expected a length in (0, 1000]")

    def load(self) -> Dataset:
        """The split of the file; rows are mappings with gaps, number and rest."""
        found = local_arrays((_LOCAL,), ("t_days",))
        if found is None:
            raise InvalidInput(f"JapanEarthquakes downloads nothing; set PUSHFORWARD_DATA to a folder with {_LOCAL}")
        times = np.unique(found[1][0].astype(np.float64))
        windows = int(times[-1] // self.days)
        require(windows >= 10, f"the catalogue holds {windows} windows of {self.days} days, expected at least 10")
        edges = self.days * np.arange(windows + 1)
        places = np.searchsorted(times, edges, side="right")
        rows = [times[a:b] - edge for a, b, edge in zip(places[:-1], places[1:], edges[:-1], strict=True)]
        first, second = (round(share * windows) for share in _PARTS)
        held = rows[first:second] if self.validation else rows[second:]
        # one length for both parts, as rows of one data set have
        longest = max(map(len, rows[:first] + held))
        train, test = (
            Arrays(Events.at([row.tolist() for row in part], end=self.days, length=longest)._asdict())
            for part in (rows[:first], held)
        )
        return Dataset(train, test, name="japan earthquakes")
