"""Batches are pure functions; epochs are permutations; conditions travel with their rows."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward.core import InvalidInput
from pushforward.data import Arrays, Batches, EightGaussians, Gaussian, Labelled, Moons, Stream, Windows


def numbered(n):
    """Row i holds the number i twice over, its label is i."""
    return Arrays(torch.arange(n, dtype=torch.float64)[:, None].repeat(1, 2), torch.arange(n))


CATALOGUE = {
    "arrays": lambda: numbered(11),
    "images": lambda: Arrays(np.arange(7 * 12, dtype=np.uint8).reshape(7, 3, 2, 2), np.arange(7, dtype=np.uint8)),
    "vectors": lambda: Arrays(torch.randn(9, 2), torch.randn(9, 3)),
    "mapping": lambda: Arrays({"a": torch.randn(6, 2), "b": torch.arange(6)}, {"c": torch.randn(6, 1)}),
    "windows": lambda: Windows(torch.arange(50), 3),
    "stream": lambda: Stream(Gaussian(dim=3)),
    "labelled stream": lambda: Stream(Labelled(Moons())),
}


def same(a, b):
    """Equal trees of tensors, None included."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return a is b if a is None else a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(params=CATALOGUE)
def batches(request):
    return CATALOGUE[request.param]()


def test_is_a_pure_function_of_its_arguments(batches):
    assert isinstance(batches, Batches)
    asked = [(3, 4, 0), (0, 4, 0), (3, 4, 1), (3, 5, 0)]
    first = {key: batches.batch(key[0], key[1], seed=key[2]) for key in asked}
    for step, size, seed in reversed(asked):
        again = batches.batch(step, size, seed=seed)
        assert all(map(same, first[step, size, seed], again))
    assert not same(first[3, 4, 0][0], first[0, 4, 0][0])
    assert not same(first[3, 4, 0][0], first[3, 4, 1][0])


def test_take_is_a_pure_function_and_leaves_global_randomness_alone(batches):
    state = torch.random.get_rng_state()
    assert all(map(same, batches.take(4, seed=2), batches.take(4, seed=2)))
    batches.batch(0, 4, seed=0)
    assert torch.equal(state, torch.random.get_rng_state())


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 13), size=st.integers(1, 30), epochs=st.integers(1, 3), seed=st.integers(0, 5))
def test_every_row_comes_once_per_epoch(n, size, epochs, seed):
    rows = numbered(n)
    steps = -(-n * epochs // size)
    visited = torch.cat([rows.batch(k, size, seed=seed)[0] for k in range(steps)])[:, 0].tolist()
    for epoch in range(epochs):
        assert sorted(visited[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_batch_size_does_not_change_the_order():
    rows = numbered(10)
    one = torch.cat([rows.batch(k, 1, seed=3)[0] for k in range(28)])
    seven = torch.cat([rows.batch(k, 7, seed=3)[0] for k in range(4)])
    assert torch.equal(one, seven)


def test_epochs_have_different_orders():
    rows = numbered(50)
    assert not torch.equal(rows.batch(0, 50, seed=0)[0], rows.batch(1, 50, seed=0)[0])


def test_orders_are_uniform():
    # 3! orders over 3000 seeds, each Binomial(3000, 1/6): sd 20.4, so five of them is 102
    rows = numbered(3)
    orders = Counter(tuple(rows.batch(0, 3, seed=seed)[1].tolist()) for seed in range(3000))
    assert len(orders) == 6
    assert all(abs(count - 500) < 102 for count in orders.values())


def test_conditions_travel_with_their_rows():
    rows = numbered(10)
    for step in range(4):
        x, label = rows.batch(step, 7, seed=0)
        assert torch.equal(x[:, 0].long(), label)
    x, label = rows.take(4, seed=1)
    assert torch.equal(x[:, 0].long(), label)


def test_take_gives_distinct_rows_or_all_of_them_in_order():
    rows = numbered(10)
    assert len(set(rows.take(6)[1].tolist())) == 6
    assert rows.take(10)[1].tolist() == rows.take(99)[1].tolist() == list(range(10))
    assert rows.take(6, seed=0)[1].tolist() != rows.take(6, seed=1)[1].tolist()
    assert len(rows) == 10


def test_stream_never_repeats_itself():
    stream = Stream(EightGaussians())
    draws = torch.cat([stream.batch(0, 50, seed=0)[0], stream.batch(1, 50, seed=0)[0], stream.take(50)[0]])
    assert len(draws.unique(dim=0)) == 150


def test_dtypes():
    bytes_ = Arrays(np.full((3, 1, 2, 2), 255, np.uint8), np.array([0, 1, 2], np.int8))
    x, label = bytes_.batch(0, 2, seed=0)
    assert (x.dtype, label.dtype, bytes_.x.dtype) == (torch.float32, torch.int64, torch.uint8)
    assert bytes_.take(9)[0].dtype == torch.float32
    assert Arrays(np.zeros((3, 2))).batch(0, 2, seed=0)[0].dtype == torch.float64
    assert Arrays(np.zeros((3, 2), np.int32)).batch(0, 2, seed=0)[0].dtype == torch.int64


@pytest.mark.parametrize(
    ("x", "cond", "message"),
    [
        (torch.tensor([[0.0, 1.0], [2.0, float("inf")]]), None, "x holds inf at row 1, column 1"),
        (torch.full((1, 1, 1, 2), float("nan")), None, r"x holds nan at row 0, index \[0, 0, 0\]"),
        (torch.tensor([1.0, float("nan")]), None, r"x holds nan at row 1 \("),
        (torch.zeros(0, 2), None, r"x has shape \[0, 2\], expected \[N, \*E\]"),
        (torch.zeros(3, 2), torch.zeros(2).long(), r"have \[3, 2\] rows"),
        (torch.zeros(3, 2), torch.zeros(3), r"shape \[3\], expected \[N, F\]; use cond\[:, None\]"),
        (torch.zeros(3, 2), torch.zeros(3, 1).long(), r"shape \[3, 1\], expected \[N\]; use cond.squeeze"),
    ],
)
def test_bad_rows_are_refused(x, cond, message):
    with pytest.raises(InvalidInput, match=message):
        Arrays(x, cond)


def test_any_array_is_taken_and_none_is_changed():
    x = np.arange(6.0).reshape(3, 2)[::-1]
    x.flags.writeable = False
    rows = Arrays(x)
    rows.x[0, 0] = 99
    assert x[0, 0] == 4


def test_bad_batch_size_is_refused():
    with pytest.raises(InvalidInput, match="batch size is 0"):
        numbered(3).batch(0, 0, seed=0)
