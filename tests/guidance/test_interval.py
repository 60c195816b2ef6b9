import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.guidance import CFGZeroStar, ClassifierFree, Interval


def spread(variance, low, high):
    return (high**2 * variance + (1 - high) ** 2) / (low**2 * variance + (1 - low) ** 2)


@pytest.mark.parametrize("window", [(0.3, 0.7), (0.0, 1.0), (0.0, 0.25), (1.5, 2.0)])
def test_a_window_gives_the_variance_of_its_part_of_the_way(gaussians, stretched, window):
    """S_c (K(S_c) / K(S_u))^(w-1), control.md C5; [0, 1] is C1 and a window after the end is no guidance."""
    low, high = (min(edge, 1.0) for edge in window)
    variance = stretched(Interval(ClassifierFree(gaussians(variance=(4.0, 1.0)), 2.0), *window))
    assert variance == pytest.approx(spread(1.0, low, high) / spread(4.0, low, high), abs=1e-6)
    if window == (0.3, 0.7):
        assert variance == pytest.approx(0.414634, abs=5e-7)


@pytest.mark.parametrize("guide", [ClassifierFree, CFGZeroStar])
@pytest.mark.parametrize(("times", "rows"), [([0.1, 0.2], 2), ([0.5, 0.6], 4), ([0.1, 0.5], 4), ([0.3, 0.7], 4)])
def test_the_null_pass_is_spared_outside_and_never_repeated(gaussians, guide, times, rows):
    field = gaussians(variance=(4.0, 1.0))
    guided = Interval(guide(field, 2.0), 0.3, 0.7)
    guided(torch.ones(2, 1), torch.tensor(times), torch.zeros(2, dtype=torch.int64))
    assert field.rows == [rows]


def test_the_ends_belong_to_the_window(gaussians):
    field = gaussians(mean=(0.0, 1.5), variance=(4.0, 1.0))
    t = torch.tensor([0.25, 0.75, 0.2499, 0.7501])
    x, cond = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)
    v = Interval(ClassifierFree(field, 3.0), 0.25, 0.75)(x, t, cond)
    assert torch.equal(v[:2], ClassifierFree(field, 3.0)(x, t, cond)[:2])
    assert torch.equal(v[2:], field(x, t, cond)[2:])


def test_before_the_window_a_pause_is_not_seen(gaussians):
    field = gaussians(variance=(4.0, 0.25))
    x, t, cond = torch.ones(2, 1), torch.tensor([0.05, 0.15]), torch.zeros(2, dtype=torch.int64)
    v = Interval(CFGZeroStar(field, 2.0, zero_until=0.2), 0.1, 0.5)(x, t, cond)
    assert torch.equal(v[:1], field(x, t, cond)[:1])
    assert torch.equal(v[1:], torch.zeros(1, 1))


@pytest.mark.parametrize("window", [(0.7, 0.3), (float("nan"), 0.5), (0.1, float("nan"))])
def test_an_empty_window_is_refused(gaussians, window):
    with pytest.raises(InvalidInput, match="low <= high"):
        Interval(ClassifierFree(gaussians(), 2.0), *window)


@pytest.mark.parametrize("times", [[0.1, 0.2], [0.1, 0.5], [0.4, 0.6]])
def test_a_traced_graph_never_looks_at_the_times(gaussians, monkeypatch, times):
    """Under torch.compile, as on an accelerator, one evaluation of both sides serves every batch of times."""
    x, t, cond = torch.randn(2, 1), torch.tensor(times), torch.zeros(2, dtype=torch.int64)
    field = gaussians(mean=(0.0, 1.5), variance=(4.0, 1.0))
    guided = Interval(ClassifierFree(field, 3.0), 0.3, 0.7)
    expected = guided(x, t, cond)
    field.rows.clear()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(guided(x, t, cond), expected)
    assert field.rows == [4]


def test_times_and_conditions_may_be_mapped_over(gaussians):
    guided = Interval(ClassifierFree(gaussians(mean=(0.0, 1.5), variance=(4.0, 1.0)), 3.0), 0.3, 0.7)
    x, t, cond = torch.randn(5, 1), torch.linspace(0, 1, 5), torch.zeros(5, dtype=torch.int64)
    one = lambda x, t, cond: guided(x[None], t[None], cond[None])[0]
    torch.testing.assert_close(torch.func.vmap(one)(x, t, cond), guided(x, t, cond))
    slope = torch.func.vmap(torch.func.jacrev(one))(x, t, cond)[:, 0]
    ahead, behind = guided(x + 0.5, t, cond), guided(x - 0.5, t, cond)  # linear in x
    torch.testing.assert_close(slope, ahead - behind)
