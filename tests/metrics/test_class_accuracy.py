import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from pushforward.core import InvalidInput
from pushforward.metrics import class_accuracy


@pytest.fixture
def blobs():
    gen = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    centres = 4 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    return centres[labels] + 0.3 * torch.randn(90, 2, generator=gen), labels


@pytest.mark.parametrize("classifier", [None, KNeighborsClassifier(1)])
def test_right_wrong_and_mixed(blobs, classifier):
    x, labels = blobs
    assert class_accuracy(x, labels, x, labels, classifier=classifier) == 1.0
    assert class_accuracy(x, (labels + 1) % 3, x, labels, classifier=classifier) == 0.0
    mixed = torch.where(torch.arange(90) < 30, (labels + 1) % 3, labels)
    assert class_accuracy(x, mixed, x, labels, classifier=classifier) == pytest.approx(2 / 3)


def test_the_given_classifier_is_left_alone(blobs):
    x, labels = blobs
    classifier = KNeighborsClassifier(1)
    class_accuracy(x.numpy(), labels.numpy().astype(np.uint8), x, labels, classifier=classifier)
    assert not hasattr(classifier, "classes_")


def test_refusals(blobs):
    x, labels = blobs
    with pytest.raises(
        InvalidInput, match=r"labels is torch\.int64 of shape \[89\], expected integers of shape \[90\]"
    ):
        class_accuracy(x, labels[:-1], x, labels)
    with pytest.raises(InvalidInput, match=r"real_labels is torch\.float32"):
        class_accuracy(x, labels, x, labels.float())
    with pytest.raises(InvalidInput, match="a single class"):
        class_accuracy(x, labels, x, torch.zeros_like(labels))
    with pytest.raises(InvalidInput, match=r"real has rows of shape \[1\], expected \[2\] as in x"):
        class_accuracy(x, labels, x[:, :1], labels)
