"""Events on the surface of the earth."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pushforward.core import InvalidInput, nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.checks import require_finite
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import download, local_arrays
from pushforward.data.loaders.tenths import tenths

__all__ = ["EarthPoints"]

_URL = "https://raw.githubusercontent.com/oxcsml/riemannian-score-sde/b35b739464ca8264e418e400301f5f45cb7a16b3/data/"
_FILES = {
    "volcano": ("volerup.csv", "84987f8fbc2ad1cbc1392126e9cd9f9a"),
    "earthquake": ("quakes_all.csv", "ad751359a52e033ebbc6c805ea3beb5f"),
    "flood": ("flood.csv", "7971c38941c7c3f924e728e5ac3a0dae"),
    "fire": ("fire.csv", "bcb32e0c0b6db35097aead8947971941"),
}
_LOCAL = "manifold/earth_latlon.npz"


def _on_sphere(degrees: np.ndarray) -> Tensor:
    """Latitude and longitude `[N, 2]` to unit vectors `[N, 3]`: x to (0, 0), y to 90 east, z to the north pole."""
    angles = torch.as_tensor(degrees, dtype=torch.float64).deg2rad()
    (latitude, longitude), across = angles.unbind(1), angles[:, 0].cos()
    unit = torch.stack([across * longitude.cos(), across * longitude.sin(), latitude.sin()], 1)
    return unit.to(torch.get_default_dtype())


@dataclass(frozen=True)
class EarthPoints:
    """Places of 827 eruptions, 6,120 earthquakes, 4,875 floods or 12,809 fires, as unit vectors `[3]`.

    Read from `manifold/earth_latlon.npz` below `$PUSHFORWARD_DATA` if it is there, else downloaded once (below 0.3 MB).
    The uniform density of the sphere has a negative log-likelihood of log 4 pi = 2.531 nats.

    Source: NOAA NCEI (eruptions, earthquakes), Dartmouth Flood Observatory and NASA FIRMS (fires), as collected for De
        Bortoli et al., Riemannian Score-Based Generative Modelling (NeurIPS 2022), https://arxiv.org/abs/2202.02763,
        whose counts these are.

    Args:
        which: volcano, earthquake, flood or fire.
        seed: Of the split in 80, 10 and 10 percent, at random as in the papers.
        validation: Judge by the second part, on which settings are chosen, instead of the third, which is reported.

    Raises: `InvalidInput` for another name.
    """

    which: str = "volcano"
    seed: int = 0
    validation: bool = False

    def __post_init__(self) -> None:
        require(self.which in _FILES, f"unknown events {self.which!r}; {nearest(self.which, _FILES)}")

    def load(self) -> Dataset:
        """All of them, split."""
        found = local_arrays((_LOCAL,), (self.which,))
        degrees = self._download() if found is None else found[1][0]
        x = _on_sphere(degrees)
        require_finite(x, self.which)
        train, validation, test = tenths(len(x), self.seed)
        held = validation if self.validation else test
        return Dataset(Arrays(x[train]), Arrays(x[held]), name=self.which, columns=("x", "y", "z"))

    def _download(self) -> np.ndarray:
        file, md5 = _FILES[self.which]
        path = download(_URL + file, md5, "earth", instead=_LOCAL)
        lines = path.read_text(encoding="utf-8").splitlines()
        numbers = [line for line in lines if line[:1] in "-0123456789" and line]  # others are comments and names
        try:
            return np.array([[float(cell) for cell in line.split(",")[:2]] for line in numbers])
        except ValueError as error:
            raise InvalidInput(f"{path} cannot be read ({error}); delete it to fetch it again") from error
