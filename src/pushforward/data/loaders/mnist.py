"""Handwritten digits."""

from dataclasses import dataclass

from pushforward.data.dataset import Dataset
from pushforward.data.loaders.idx import load_idx_images

__all__ = ["MNIST"]

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


@dataclass(frozen=True)
class MNIST:
    """60,000 + 10,000 images `[1, 28, 28]` of bytes; model units are [-1, 1].

    Read from `images/mnist.npz` below `$PUSHFORWARD_DATA` if it is there, else downloaded once (11 MB).

    Source: LeCun, Cortes & Burges, The MNIST database; the official files as PyTorch's mirror keeps them.

    Args:
        labels: Give the digits as labels.
    """

    labels: bool = True

    def load(self) -> Dataset:
        """The official split."""
        digits = tuple("0123456789")
        return load_idx_images("mnist", ("images/mnist.npz",), _URL, _MD5, labels=self.labels, class_names=digits)
