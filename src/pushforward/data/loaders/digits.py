"""The 8 x 8 digits that come with scikit-learn."""

from dataclasses import dataclass

import numpy as np
import torch

from pushforward.data.batches import Arrays
from pushforward.data.checks import require_fraction
from pushforward.data.dataset import Dataset
from pushforward.data.transforms import AffineMap, Clip, Compose

__all__ = ["Digits"]


@dataclass(frozen=True)
class Digits:
    """1,797 handwritten digits, 8 x 8 pixels of 0..16; model units are [-1, 1]. Nothing is downloaded.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits (UCI), https://doi.org/10.24432/C50P49, the
        test part, as scikit-learn has it.

    Args:
        test_fraction: Share held out, in (0, 1), the same of every digit.
        seed: Of the split.
        flat: Rows `[64]` instead of images `[1, 8, 8]`.
        labels: Give the digits as labels.

    Example:
        >>> digits = Digits().load()
        >>> len(digits.train), len(digits.test), digits.shape, digits.classes
        (1257, 540, (64,), 10)
    """

    test_fraction: float = 0.3
    seed: int = 0
    flat: bool = True
    labels: bool = True

    def load(self) -> Dataset:
        """All of them, split."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        require_fraction(self.test_fraction)
        pixels, digit = map(np.asarray, load_digits(return_X_y=True))
        rows = train_test_split(range(len(digit)), test_size=self.test_fraction, random_state=self.seed, stratify=digit)
        x = torch.as_tensor(pixels, dtype=torch.get_default_dtype())
        x = x if self.flat else x.reshape(-1, 1, 8, 8)
        train, test = (Arrays(x[part], digit[part] if self.labels else None) for part in rows)
        units = Compose([Clip(0, 16), AffineMap(1 / 8, -1.0)])
        return Dataset(train, test, transform=units, classes=10 if self.labels else None, name="digits")
