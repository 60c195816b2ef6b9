"""Digits and toys."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.data import Digits, EightGaussians, Moons, SCurve, Stream, Toy


def test_digits_are_split_by_digit():
    data = Digits().load()
    train, test = (part.take(9999)[1] for part in (data.train, data.test))
    assert len(train) + len(test) == 1797
    share = torch.bincount(test) / (torch.bincount(train) + torch.bincount(test))
    # stratified: within one image of 30 % in each class of about 180
    assert ((share - 0.3).abs() < 1 / 170).all()


def test_digits_in_model_units_and_as_images():
    flat, square = Digits().load(), Digits(flat=False).load()
    assert (flat.shape, square.shape) == ((64,), (1, 8, 8))
    x = flat.train.take(9999)[0]
    assert torch.equal(square.train.take(9999)[0].flatten(1), x)
    y = flat.transform.forward(x)
    assert (y.min().item(), y.max().item()) == (-1, 1)
    assert torch.equal(flat.transform.inverse(y), x)


def test_digits_split_depends_on_the_seed():
    first, again, other = (Digits(seed=seed, labels=False).load().test.take(9999) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[1] is None


def test_digits_refuse_a_bad_fraction():
    with pytest.raises(InvalidInput, match=r"test_fraction is 1\.5"):
        Digits(test_fraction=1.5).load()


def test_toys_are_streams():
    data = Toy(target=Moons(), source=EightGaussians()).load()
    assert isinstance(data.train, Stream)
    assert (data.shape, data.classes, data.name) == ((2,), None, "Moons")
    # the source is the wider one
    assert data.source.take(500)[0].norm(dim=1).mean() > 4 > data.test.take(500)[0].norm(dim=1).mean()
    assert Toy().load().source is None


def test_toys_give_labels_on_demand():
    data = Toy(target=EightGaussians(), labels=True).load()
    x, label = data.train.batch(0, 100, seed=0)
    assert (data.classes, label.dtype) == (8, torch.int64)
    assert torch.equal(x, Toy(target=EightGaussians()).load().train.batch(0, 100, seed=0)[0])
    with pytest.raises(Incompatible, match="SCurve has no components"):
        Toy(target=SCurve(), labels=True).load()
