"""States, times and conditions."""

import pytest
import torch

from pushforward.core import (
    InvalidInput,
    Loss,
    Pairs,
    align,
    batch_size,
    broadcast_time,
    cat_states,
    dot,
    drop_condition,
    event_size,
    leaves,
    like,
    map_state,
    nearest,
    null_condition,
    require,
    take,
)


@pytest.mark.parametrize("event", [(), (3,), (2, 4, 4)])
def test_times_broadcast_over_any_event(event):
    x, t = torch.ones(5, *event), torch.arange(5.0)
    torch.testing.assert_close((align(t, x) * x).reshape(5, -1)[:, 0], t)


def test_mappings_are_states():
    x = {"a": torch.ones(4, 2), "b": torch.full((4,), 2.0)}
    doubled = map_state(lambda p, q: p + q, x, x)
    assert torch.equal(doubled["b"], torch.full((4,), 4.0))
    assert batch_size(x) == 4
    assert len(leaves(x)) == 2
    assert torch.equal(dot(x, x), torch.full((4,), 6.0))
    assert batch_size(cat_states(x, x)) == 8
    assert torch.equal(take(x, torch.tensor([3]))["a"], torch.ones(1, 2))
    assert take(None, torch.tensor([0])) is None


def test_scalar_times_become_one_time_per_row_with_memory_of_their_own():
    t = broadcast_time(0.5, torch.zeros(3, 2, dtype=torch.float64))
    assert t.dtype == torch.float64
    assert t.stride() == (1,)
    assert broadcast_time(0.5, torch.zeros(3, dtype=torch.int64)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.int64])
def test_times_of_coarse_states_are_kept_in_float32(dtype):
    t = broadcast_time(0.998, torch.zeros(3, 2, dtype=dtype))
    assert t.dtype == torch.float32
    assert t[0] == torch.tensor(0.998)


def test_what_is_made_of_states_takes_their_dtype():
    x, z = torch.ones(2, dtype=torch.bfloat16), torch.ones(2)
    assert like(2 * z, x).dtype == torch.bfloat16
    assert like(2 * z.double(), x, z).dtype == torch.float32
    assert like(0.5 * z, torch.ones(2, dtype=torch.int64)).tolist() == [0.5, 0.5]


def test_wrong_times_are_told_both_shapes_and_what_to_do():
    with pytest.raises(InvalidInput, match=r"shape \[4, 1\], expected \[4\].*squeeze"):
        broadcast_time(torch.zeros(4, 1), torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="one time per row"):
        broadcast_time(torch.zeros(3), torch.zeros(4, 2))


def test_null_conditions():
    assert null_condition(torch.tensor([3, 4])).tolist() == [-1, -1]
    assert null_condition({"v": torch.ones(2, 3)})["v"].isnan().all()
    assert null_condition(None) is None


def test_all_leaves_of_a_dropped_row_go_together():
    cond = {"label": torch.zeros(500, dtype=torch.int64), "vector": torch.zeros(500, 2)}
    dropped = drop_condition(cond, 0.5, generator=torch.Generator().manual_seed(0))
    gone = dropped["label"] == -1
    assert 0 < gone.sum() < 500
    assert torch.equal(gone, dropped["vector"].isnan().all(1))
    assert drop_condition(cond, 0.0) is cond
    assert drop_condition(None, 0.5) is None


def test_pairs_name_their_ends():
    pairs = Pairs((torch.zeros(3, 1), torch.ones(3, 1), torch.full((3, 1), 2.0)), times=(0.0, 0.5, 1.0))
    assert pairs.size == 3
    assert pairs.x0[0] == 0
    assert pairs.x1[0] == 2


def test_loss_is_the_sum_of_the_means_of_its_terms():
    rows = {"fit": torch.tensor([1.0, 3.0], requires_grad=True), "penalty": torch.tensor([4.0, 0.0])}
    loss = Loss.mean(rows)
    assert loss.value == 4.0
    assert not loss.terms["fit"].requires_grad
    assert Loss.mean(rows, torch.tensor([1.0, 0.0])).value == 2.5


def test_messages_name_the_nearest_or_all():
    assert nearest("ExcatOT", ["ExactOT", "EntropicOT"]) == "did you mean ExactOT?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    with pytest.raises(InvalidInput, match="no"):
        require(False, "no")


@pytest.mark.parametrize("event", [(), (3,), (2, 4, 4)])
def test_a_batch_of_no_rows_is_a_batch(event):
    x = torch.ones(0, *event)
    assert dot(x, x).shape == dot({"a": x, "b": x}, {"a": x, "b": x}).shape == (0,)
    assert event_size(x) == event_size(torch.ones(2, *event)) == torch.ones(event).numel()
    assert event_size({"a": x, "b": torch.ones(0, 5)}) == event_size(x) + 5
    assert torch.equal(dot(torch.full((2, *event), 2.0), torch.ones(2, *event)), torch.full((2,), 2.0 * event_size(x)))
