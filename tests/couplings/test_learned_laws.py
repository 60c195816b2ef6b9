"""What every learned coupling keeps. A new one adds one line to the catalogue."""

import pytest
import torch

from pushforward.core import Coupling, InvalidInput, span_of
from pushforward.couplings import CARFlow, CrossFlow, LearnedCoupling, VariationalNoise
from pushforward.paths import Affine

CATALOGUE = {
    "CARFlow": lambda event: CARFlow(event, classes=3),
    "CARFlow source": lambda event: CARFlow(event, classes=3, mode="source"),
    "CARFlow target": lambda event: CARFlow(event, classes=3, mode="target", cond_drop=0.3),
    "CrossFlow": lambda event: CrossFlow(event, classes=3, width=16),
    "CrossFlow null": lambda event: CrossFlow(event, classes=3, width=16, cond_drop=0.3, free_means=False),
    "VariationalNoise": lambda event: VariationalNoise(event, width=16),
}
EVENTS = {"vector": (2,), "scalar": (), "image": (3, 4, 4)}


@pytest.fixture(params=CATALOGUE)
def build(request):
    return CATALOGUE[request.param]


def again(seed=5):
    return torch.Generator().manual_seed(seed)


def stirred(coupling, scale=0.3):
    """With weights away from their start."""
    with torch.no_grad():
        for parameter in coupling.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=again(1)))
    return coupling


def batch(event, gen, rows=32, dtype=torch.float32):
    x0, x1 = (torch.randn(rows, *event, generator=gen, dtype=dtype) for _ in range(2))
    return x0, x1, torch.randint(0, 3, (rows,), generator=gen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("event", EVENTS)
def test_starts_as_the_pairs_that_it_was_given(build, event, dtype, gen):
    coupling = build(EVENTS[event]).to(dtype)
    x0, x1, label = batch(EVENTS[event], gen, dtype=dtype)
    pairs, penalty = coupling.pair_and_penalty(x0, x1, label, generator=again())
    assert isinstance(coupling, LearnedCoupling)
    assert isinstance(coupling, Coupling)
    assert pairs.x0.equal(x0)  # bit for bit: training departs from the independent coupling
    assert torch.cat([pairs.x1, x1]).unique(dim=0).shape == x1.shape  # the same data, at most in another order
    assert pairs.x0.dtype == pairs.x1.dtype == penalty.dtype == dtype
    assert penalty.equal(torch.zeros(32, dtype=dtype))


@pytest.mark.parametrize("event", EVENTS)
def test_every_weight_has_a_finite_gradient(build, event, gen):
    coupling = stirred(build(EVENTS[event]))
    pairs, penalty = coupling.pair_and_penalty(*batch(EVENTS[event], gen), generator=again())
    (pairs.x0.square() + pairs.x0 * pairs.x1 + pairs.x1.square()).sum().add(penalty.sum()).backward()
    for name, parameter in coupling.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert all(p.grad.abs().sum() > 0 for p in coupling.parameters())


def test_the_penalty_is_finite_and_never_negative(build, gen):
    penalty = stirred(build((2,)), 1.0).pair_and_penalty(*batch((2,), gen), generator=again())[1]
    assert penalty.shape == (32,)
    assert penalty.isfinite().all()
    assert (penalty >= -1e-6).all()


def test_same_generator_same_answer_and_the_global_one_is_left_alone(build, gen):
    coupling, given = stirred(build((2,))), batch((2,), gen)
    state = torch.get_rng_state()
    (first, one), (second, two) = (coupling.pair_and_penalty(*given, generator=again()) for _ in range(2))
    alone = coupling(*given, generator=again())
    assert torch.get_rng_state().equal(state)
    for other in (second, alone):
        assert first.x0.equal(other.x0)
        assert first.x1.equal(other.x1)
        assert first.cond.equal(other.cond)
    assert one.equal(two)


def test_rows_do_not_depend_on_their_neighbours(build, gen):
    coupling = stirred(build((2,)))
    coupling.cond_drop = 0.0
    x0, x1, label = batch((2,), gen)
    whole, half = coupling(x0, x1, label), coupling(x0[:7], x1[:7], label[:7])
    for a, b in zip(whole.anchors, half.anchors, strict=True):
        torch.testing.assert_close(a[:7], b)


def test_no_call_changes_it(build, gen):
    coupling = stirred(build((2,)))
    before = {name: tensor.clone() for name, tensor in coupling.state_dict().items()}
    coupling.pair_and_penalty(*batch((2,), gen), generator=again())
    coupling.field(lambda x, t, cond=None: x, Affine())(*batch((2,), gen)[:1], torch.rand(32), torch.zeros(32).long())
    assert all(tensor.equal(before[name]) for name, tensor in coupling.state_dict().items())


def test_the_view_may_be_followed_where_its_field_may(build):
    class Ending:
        span = (0.1, 0.9)

        def __call__(self, x, t, cond=None):
            return x

    assert span_of(build((2,)).field(Ending(), Affine())) == (0.1, 0.9)


def test_refuses_batches_that_do_not_fit(build):
    coupling = build((2,))
    with pytest.raises(InvalidInput, match=r"\[4, 2\] and x1 \[5, 2\]"):
        coupling(torch.zeros(4, 2), torch.zeros(5, 2), torch.zeros(4).long())
    with pytest.raises(InvalidInput, match=r"x0 has shape \[4, 3\], this coupling was built for \[B, 2\]"):
        coupling(torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4).long())
    with pytest.raises(InvalidInput, match=r"\{'a': \[4, 2\]\}"):
        coupling({"a": torch.zeros(4, 2)}, {"a": torch.zeros(4, 2)}, torch.zeros(4).long())
