"""The idx format of MNIST and its relatives: four gzipped files of bytes."""

import gzip
import math
from pathlib import Path

import numpy as np

from pushforward.core import InvalidInput
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import download, local_arrays
from pushforward.data.transforms import AffineMap, Clip, Compose

__all__ = ["load_idx_images", "read_idx"]


def read_idx(path: Path) -> np.ndarray:
    """Bytes of a gzipped idx file: two zeros, the type code 8, the number of axes, their lengths, the values."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3] if raw[:3] == b"\0\0\x08" else 0
    shape = tuple(np.frombuffer(raw, ">u4", count=axes, offset=4).tolist()) if len(raw) >= 4 + 4 * axes else ()
    start = 4 + 4 * axes
    if axes == 0 or len(raw) != start + math.prod(shape):
        raise InvalidInput(f"{path} is not an idx file of bytes; delete it to fetch it again")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def load_idx_images(
    name: str, local: tuple[str, ...], url: str, md5: dict[str, str], *, labels: bool, class_names: tuple[str, ...]
) -> Dataset:
    """28 x 28 images from `$PUSHFORWARD_DATA` (an npz with x_train, y_train, x_test, y_test) or from their source."""
    found = local_arrays(local, ("x_train", "y_train", "x_test", "y_test"))
    if found is not None:
        name, arrays = found
    else:
        arrays = [read_idx(download(url + file, md5[file], name, instead=local[0])) for file in md5]
    x_train, y_train, x_test, y_test = arrays
    return Dataset(
        train=Arrays(x_train[:, None], y_train if labels else None),
        test=Arrays(x_test[:, None], y_test if labels else None),
        transform=Compose([Clip(0, 255), AffineMap(2 / 255, -1.0)]),
        classes=len(class_names) if labels else None,
        name=name,
        class_names=class_names if labels else None,
    )
