"""Articles of clothing."""

from dataclasses import dataclass

from pushforward.data.dataset import Dataset
from pushforward.data.loaders.idx import load_idx_images

__all__ = ["FashionMNIST"]

_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


@dataclass(frozen=True)
class FashionMNIST:
    """60,000 + 10,000 images `[1, 28, 28]` of bytes; model units are [-1, 1].

    Read from `images/fashion_mnist.npz` below `$PUSHFORWARD_DATA`, or from `images/fashion_mnist_12k.npz` (the first
    10,000 + 2,000; the data set's name says which), else downloaded once (31 MB).

    Source: Xiao, Rasul & Vollgraf, Fashion-MNIST, https://arxiv.org/abs/1708.07747.

    Args:
        labels: Give the kinds of clothing as labels.
    """

    labels: bool = True

    def load(self) -> Dataset:
        """The official split."""
        local = ("images/fashion_mnist.npz", "images/fashion_mnist_12k.npz")
        return load_idx_images("fashion_mnist", local, _URL, _MD5, labels=self.labels, class_names=_NAMES)
