import pytest
import torch

from pushforward.nets import ConditionEmbedding, Context, TimeEmbedding


def test_times_keep_their_precision_under_autocast():
    """Bit for bit as without, so steps of 1e-4 stay apart, which bf16 (2^-8 near one) would merge."""
    embed = TimeEmbedding(16)
    t = torch.linspace(0.9, 0.901, 11)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = embed(t)
    assert torch.equal(inside, embed(t))
    assert inside.dtype == torch.float32
    assert (inside.diff(dim=0).abs().amax(1) > 1e-5).all()


def test_times_are_told_apart_everywhere():
    """The features alone, before any weight: no two times on a grid of 1000 share them."""
    embed = TimeEmbedding(8)
    t = torch.linspace(0, 1, 1000, dtype=torch.float64)
    angles = t[:, None] * embed.frequencies.double()
    waves = torch.cat([angles.cos(), angles.sin()], 1)
    distance = torch.cdist(waves, waves) + 10 * torch.eye(1000, dtype=torch.float64)
    assert distance.min() > 0.1
    assert embed.frequencies[0] == 1
    assert embed.frequencies[-1] == pytest.approx(100)


def test_each_label_has_a_row_and_the_null_label_another():
    embed = ConditionEmbedding(6, classes=3)
    rows = embed(torch.zeros(4, 6), torch.tensor([-1, 0, 1, 2]))
    assert torch.cdist(rows, rows).add(torch.eye(4)).min() > 0.1
    assert embed.table.weight.shape == (4, 6)


@pytest.mark.parametrize("label", [-2, 3])
def test_a_label_outside_the_table_is_an_error(label):
    with pytest.raises(IndexError):
        ConditionEmbedding(6, classes=3)(torch.zeros(1, 6), torch.tensor([label]))


def test_a_damaged_vector_shows_and_an_absent_one_does_not():
    embed = ConditionEmbedding(4, features=2)
    nan = float("nan")
    out = embed(torch.zeros(3, 4), torch.tensor([[nan, nan], [nan, 1.0], [1.0, 1.0]]))
    assert out.isnan().all(1).tolist() == [False, True, False]


def test_an_absent_vector_sends_no_nan_into_gradients():
    embed = ConditionEmbedding(4, features=2)
    cond = torch.tensor([[float("nan")] * 2, [1.0, 2.0]])
    embed(torch.zeros(2, 4), cond).square().sum().backward()
    alone = ConditionEmbedding(4, features=2)
    alone.load_state_dict(embed.state_dict())
    alone(torch.zeros(1, 4), cond[1:]).square().sum().backward()
    torch.testing.assert_close(embed.linear.weight.grad, alone.linear.weight.grad)


def test_the_context_depends_on_time_and_condition():
    context = Context(8, classes=2)
    t = torch.tensor([0.2, 0.2, 0.7])
    out = context(t, torch.tensor([0, 1, 0]))
    assert torch.cdist(out, out).add(torch.eye(3)).min() > 1e-2
