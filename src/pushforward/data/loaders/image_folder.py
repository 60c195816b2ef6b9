"""A folder of image files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pushforward.core import InvalidInput, require
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset, random_split
from pushforward.data.loaders.extras import optional
from pushforward.data.transforms import AffineMap, Clip, Compose

__all__ = ["ImageFolder"]

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def _images(folder: Path) -> list[Path]:
    """Image files at any depth, in the order of their names; hidden ones are left out."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


@dataclass(frozen=True)
class ImageFolder:
    """Images in memory, `[C, size, size]` bytes; model units are [-1, 1]. Sub-folders are classes, by name.

    The shorter side is resized to `size` (bicubic, antialiased), then the centre is cut out.

    Args:
        path: Folder with images, or with one sub-folder of images per class.
        size: Side in pixels, >= 1.
        grey: One channel of luminance instead of red, green, blue.
        test_fraction: Share held out, in (0, 1).
        seed: Of the split.
        labels: Give the sub-folders as labels, if there are any.

    Raises: `InvalidInput` for a missing or empty folder, images both beside and inside sub-folders, an unreadable file.
    """

    path: str
    size: int
    grey: bool = False
    test_fraction: float = 0.1
    seed: int = 0
    labels: bool = True

    def load(self) -> Dataset:
        """Reads every file once."""
        require(self.size >= 1, f"size is {self.size}, expected at least 1 pixel")
        folder = Path(self.path).expanduser()
        require(folder.is_dir(), f"{self.path} is not a folder; give one with images or with sub-folders of images")
        files = _images(folder)
        require(bool(files), f"{self.path} holds no images ({', '.join(sorted(_SUFFIXES))}); check the path")
        tops = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in files]
        names = sorted(set(tops))
        stray = files[tops.index(names[0])].name
        require(
            names == [""] or "" not in names,
            f"{self.path} holds images both in sub-folders (classes) and beside them ({stray}); move them into one",
        )

        image = optional("PIL.Image", "reading images")
        x = np.stack([self._read(path, image) for path in files])
        labelled = self.labels and names != [""]
        y = np.array([names.index(top) for top in tops])
        train, test = random_split(len(x), self.test_fraction, self.seed)
        return Dataset(
            *(Arrays(x[part], y[part] if labelled else None) for part in (train.numpy(), test.numpy())),
            transform=Compose([Clip(0, 255), AffineMap(2 / 255, -1.0)]),
            classes=len(names) if labelled else None,
            name=folder.name,
            class_names=tuple(names) if labelled else None,
        )

    def _read(self, path: Path, image: Any) -> np.ndarray:
        """One file, `[C, size, size]`."""
        operations = optional("PIL.ImageOps", "reading images")
        try:
            with image.open(path) as file:
                upright = operations.exif_transpose(file).convert("L" if self.grey else "RGB")
        except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
            raise InvalidInput(f"{path} cannot be read as an image ({error}); remove or replace it") from error
        square = operations.fit(upright, (self.size, self.size), method=image.Resampling.BICUBIC)
        return np.asarray(square).reshape(self.size, self.size, -1).transpose(2, 0, 1)
