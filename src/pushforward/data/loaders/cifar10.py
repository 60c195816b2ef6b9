"""Tiny colour photographs."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import download, local_arrays
from pushforward.data.transforms import AffineMap, Clip, Compose

__all__ = ["CIFAR10"]

# the binary version: the other one is a pickle, and nothing here unpickles
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_LOCAL = "images/cifar10_first4000.npz"
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{k}.bin" for k in range(1, 6))


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    """Records of every batch file `[n, 3073]`: a label, then the red, green and blue 32 x 32 planes."""
    with tarfile.open(path) as archive:
        files = ((Path(member.name).name, archive.extractfile(member)) for member in archive if member.isfile())
        return {
            name: np.frombuffer(f.read(), np.uint8).reshape(-1, 3073) for name, f in files if f and name[-4:] == ".bin"
        }


@dataclass(frozen=True)
class CIFAR10:
    """50,000 + 10,000 images `[3, 32, 32]` of bytes; model units are [-1, 1].

    Read from `images/cifar10_first4000.npz` below `$PUSHFORWARD_DATA` if it is there (the first 4,000 training images,
    split 3,500 to 500: for trials, too few for published figures; the data set's name says so), else downloaded once
    (170 MB).

    Source: Krizhevsky, Learning multiple layers of features from tiny images (2009),
        https://www.cs.toronto.edu/~kriz/cifar.html.

    Args:
        labels: Give the kinds of object as labels.
    """

    labels: bool = True

    def load(self) -> Dataset:
        """The official split, or that of the local file."""
        found = local_arrays((_LOCAL,), ("x", "y"))
        if found is not None:
            name, (x, y) = found
            x, held = x.transpose(0, 3, 1, 2), 3500
        else:
            path = download(_URL, _MD5, "cifar10", instead=_LOCAL)
            parts = _read_archive(path)
            records = np.concatenate([parts[file] for file in (*_TRAIN, "test_batch.bin")])
            name, x, y = "cifar10", records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
            held = len(x) - len(parts["test_batch.bin"])
        return Dataset(
            train=Arrays(x[:held], y[:held] if self.labels else None),
            test=Arrays(x[held:], y[held:] if self.labels else None),
            transform=Compose([Clip(0, 255), AffineMap(2 / 255, -1.0)]),
            classes=10 if self.labels else None,
            name=name,
            class_names=_NAMES if self.labels else None,
        )
