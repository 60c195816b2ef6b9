"""A data set derives what it can and refuses parts that do not fit together."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.data import Arrays, Dataset, Gaussian, Stream, random_split


def test_shape_and_features_are_found():
    rows = Arrays(torch.zeros(4, 3, 2), torch.zeros(4, 5))
    data = Dataset(rows, rows)
    assert (data.shape, data.features, data.classes) == ((3, 2), 5, None)
    both = Arrays({"a": torch.zeros(4, 3), "b": torch.zeros(4)})
    assert Dataset(both, both).shape == {"a": (3,), "b": ()}


def test_units_are_data_units_by_default():
    x = torch.randn(4, 2)
    data = Dataset(Arrays(x), Arrays(x))
    assert torch.equal(data.transform.forward(x), x)


def test_parts_that_do_not_fit_are_refused():
    rows, wide = Arrays(torch.zeros(4, 2)), Arrays(torch.zeros(4, 3))
    with pytest.raises(Incompatible, match=r"test rows have shape \(3,\), expected \(2,\)"):
        Dataset(rows, wide)
    with pytest.raises(Incompatible, match=r"source rows have shape \(5,\), expected \(2,\)"):
        Dataset(rows, rows, source=Stream(Gaussian(dim=5)))
    with pytest.raises(Incompatible, match=r"train rows have shape \(2,\), expected \(7,\)"):
        Dataset(rows, rows, shape=(7,))
    labelled = Arrays(torch.zeros(4, 2), torch.zeros(4).long())
    with pytest.raises(Incompatible, match="classes is None"):
        Dataset(labelled, labelled)


@pytest.mark.parametrize(("n", "fraction", "held"), [(10, 0.3, 3), (2, 0.01, 1), (2, 0.99, 1), (1000, 0.1, 100)])
def test_random_split_parts_the_rows(n, fraction, held):
    train, test = random_split(n, fraction, seed=0)
    assert len(test) == held
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(n))
    again, _ = random_split(n, fraction, seed=0)
    assert torch.equal(train, again)


def test_random_split_depends_on_the_seed():
    assert not torch.equal(random_split(100, 0.5, 0)[0], random_split(100, 0.5, 1)[0])


@pytest.mark.parametrize(("n", "fraction", "message"), [(10, 0.0, "test_fraction is 0.0"), (1, 0.5, "got 1 row")])
def test_impossible_splits_are_refused(n, fraction, message):
    with pytest.raises(InvalidInput, match=message):
        random_split(n, fraction, seed=0)
