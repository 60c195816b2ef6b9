from statistics import NormalDist

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from pushforward.core import InvalidInput
from pushforward.metrics import c2st


@pytest.mark.parametrize("classifier", [None, LogisticRegression(), KNeighborsClassifier(5)], ids=["mlp", "log", "knn"])
def test_same_law(classifier, gen):
    n = 200
    x, y = torch.randn(2, n, 2, generator=gen)
    # 2n Bernoulli answers; one more standard deviation for the folds, which share their training rows
    assert c2st(x, y, classifier=classifier) == pytest.approx(0.5, abs=5 * (0.25 / (2 * n)) ** 0.5)


def test_separated_and_seeded(gen):
    x, y = torch.randn(2, 300, 2, generator=gen)
    first, again = (c2st(x, y + 8, seed=1) for _ in range(2))
    assert first == again
    # Bayes accuracy is 1 - 1e-8; early stopping may end a fold as soon as its 48 validation rows are right
    assert first >= 1 - 1 / 48


def test_bayes_accuracy(gen):
    # N(0, I) against N(c, I): the best accuracy is Phi(|c| / 2), and linear; fitting costs of order d / n
    n = 2000
    x, y = torch.randn(2, n, 2, generator=gen)
    accuracy = c2st(x, y + torch.tensor([0.6, 0.8]), classifier=LogisticRegression())
    best = NormalDist().cdf(0.5)
    assert accuracy == pytest.approx(best, abs=4 * (best * (1 - best) / (2 * n)) ** 0.5 + 2 / n)


def test_refusals():
    x = torch.zeros(6, 2)
    with pytest.raises(InvalidInput, match="6 rows and y 5, expected equally many"):
        c2st(x, x[:5])
    for folds in (1, 7):
        with pytest.raises(InvalidInput, match=f"folds is {folds}"):
            c2st(x, x, folds=folds)
