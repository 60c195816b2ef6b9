"""What every coupling keeps, whatever it does. A new coupling adds one line to the catalogue."""

import math
import threading

import pytest
import torch

from pushforward.core import Coupling, InvalidInput, Pairs
from pushforward.couplings import (
    BombOT,
    EntropicOT,
    ExactOT,
    Independent,
    Paired,
    PartialOT,
    SemiRelaxed,
    UnbalancedOT,
)

CATALOGUE = {
    "Independent": Independent(),
    "Paired": Paired(),
    "ExactOT": ExactOT(),
    "ExactOT early": ExactOT(tolerance=1e-2),
    "EntropicOT": EntropicOT(),
    "EntropicOT absolute": EntropicOT(1.0, relative=False),
    "EntropicOT permutation": EntropicOT(replacement=False),
    "PartialOT": PartialOT(0.8),
    "PartialOT whole": PartialOT(1.0),
    "UnbalancedOT": UnbalancedOT(),
    "UnbalancedOT absolute": UnbalancedOT(0.5, 10.0, math.inf, relative=False),
    "SemiRelaxed": SemiRelaxed(),
    "BombOT": BombOT(3),
    "BombOT of partial": BombOT(2, PartialOT(0.9)),
    "BombOT entropic": BombOT(2, epsilon=0.5),
}
DRAWS = {"EntropicOT", "EntropicOT absolute", "UnbalancedOT", "UnbalancedOT absolute", "SemiRelaxed", "BombOT entropic"}
PERMUTES = [name for name in CATALOGUE if name not in DRAWS]
TRANSPORTS = [name for name in CATALOGUE if "OT" in name or name == "SemiRelaxed"]
EVENTS = {"vector": (2,), "scalar": (), "image": (3, 4, 4)}


@pytest.fixture(params=CATALOGUE)
def coupling(request):
    return CATALOGUE[request.param]


def batches(rows, event, gen, dtype=torch.float32):
    x0 = torch.randn(rows, *event, generator=gen, dtype=dtype)
    return x0, 3 + 2 * torch.randn(rows, *event, generator=gen, dtype=dtype)


def again(seed=5):
    return torch.Generator().manual_seed(seed)


def rows_of(x, y):
    """For every row of x the row of y that it equals."""
    same = (x.flatten(1)[:, None] == y.flatten(1)[None]).all(-1)
    assert same.any(1).all(), "a row that was in no batch"
    return same.double().argmax(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("event", EVENTS)
def test_data_stay_and_sources_come_from_the_batch(coupling, event, dtype, gen):
    x0, x1 = batches(20, EVENTS[event], gen, dtype)
    index = torch.arange(20)
    pairs = coupling(x0, x1, index, generator=again())
    assert isinstance(coupling, Coupling)
    assert isinstance(pairs, Pairs)
    assert pairs.times == (0.0, 1.0)
    assert pairs.x1.equal(x1[pairs.cond])  # the condition travels with the data
    assert pairs.cond.sort().values.equal(index)  # and every data row is used once
    assert pairs.x0.dtype == pairs.x1.dtype == dtype
    rows_of(pairs.x0.reshape(20, -1), x0.reshape(20, -1))


@pytest.mark.parametrize("name", PERMUTES)
def test_permutations_use_every_source_once(name, gen):
    x0, x1 = batches(50, (2,), gen)
    pairs = CATALOGUE[name](x0, x1, generator=again())
    assert rows_of(pairs.x0, x0).sort().values.equal(torch.arange(50))


def test_weights_are_shares_of_the_batch(coupling, gen):
    x0, x1 = batches(40, (2,), gen)
    weight = coupling(x0, x1, generator=again()).weight
    if weight is not None:
        assert weight.shape == (40,)
        assert weight.dtype == x1.dtype
        assert (weight >= 0).all()
        assert abs(weight.mean() - 1) < 1e-6


def test_same_generator_same_answer(coupling, gen):
    x0, x1 = batches(30, (2,), gen)
    first, second = (coupling(x0, x1, generator=again()) for _ in range(2))
    assert first.x0.equal(second.x0)
    assert first.x1.equal(second.x1)


def test_global_randomness_is_left_alone(coupling, gen):
    x0, x1 = batches(10, (2,), gen)
    before = torch.get_rng_state()
    coupling(x0, x1, generator=again())
    assert torch.get_rng_state().equal(before)


def test_one_row_travels_to_the_other(coupling, gen):
    x0, x1 = batches(1, (2,), gen)
    pairs = coupling(x0, x1, torch.tensor([4]), generator=again())
    assert pairs.x0.equal(x0)
    assert pairs.x1.equal(x1)
    assert pairs.cond.equal(torch.tensor([4]))


def test_identical_points_are_no_trouble(coupling):
    x = torch.ones(6, 3)
    pairs = coupling(x, x, generator=again())
    assert pairs.x0.equal(x)


def test_mappings(coupling, gen):
    position, size = batches(16, (3, 2), gen), batches(16, (), gen)
    x0, x1 = ({"position": position[k], "size": size[k]} for k in (0, 1))
    cond = {"label": torch.arange(16), "vector": x1["position"].flatten(1)}
    pairs = coupling(x0, x1, cond, generator=again())
    moved = rows_of(pairs.x0["position"], x0["position"])
    assert pairs.x0["size"].equal(x0["size"][moved])  # the leaves of a row stay together
    assert pairs.x1["position"].flatten(1).equal(pairs.cond["vector"])
    # a mapping is the concatenation of its leaves
    flat = [torch.cat([x["position"].flatten(1), x["size"][:, None]], 1) for x in (x0, x1)]
    assert rows_of(coupling(*flat, generator=again()).x0, flat[0]).equal(moved)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_transport_is_cheaper_than_chance(name, gen):
    x0, x1 = batches(128, (2,), gen)
    cost, chance = (
        (pairs.x0 - pairs.x1).square().sum(1).mean()
        for pairs in (CATALOGUE[name](x0, x1, generator=again()), Independent()(x0, x1, generator=again()))
    )
    assert cost < 0.95 * chance


@pytest.mark.parametrize("name", ["Paired", "ExactOT"])
def test_the_order_of_the_sources_carries_the_answer(name, gen):
    x0, x1 = batches(40, (2,), gen)
    order = torch.randperm(40, generator=gen)
    coupling = ExactOT(tolerance=1e-8) if name == "ExactOT" else CATALOGUE[name]
    pairs, moved = coupling(x0, x1), coupling(x0[order], x1[order])
    assert moved.x0.equal(pairs.x0[order])


def test_gradients_pass_through_the_chosen_rows(coupling, gen):
    x0, x1 = batches(10, (2,), gen)
    pairs = coupling(x0.requires_grad_(), x1.requires_grad_(), generator=again())
    (pairs.x0.sum() + pairs.x1.sum()).backward()
    assert x1.grad.equal(torch.ones_like(x1))
    assert x0.grad.sum() == x0.numel()


def test_a_worker_thread_gives_the_same(coupling, gen):
    x0, x1 = batches(32, (2,), gen)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(coupling(x0, x1, generator=again())))
    thread.start()
    thread.join()
    assert answers[0].x0.equal(coupling(x0, x1, generator=again()).x0)


def test_refuses_unequal_batches(coupling):
    with pytest.raises(InvalidInput, match=r"\[4, 2\] and x1 \[5, 2\]"):
        coupling(torch.zeros(4, 2), torch.zeros(5, 2))
    with pytest.raises(InvalidInput, match=r"cond has shape \[3\]"):
        coupling(torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(3))
    with pytest.raises(InvalidInput, match=r"\{'a': \[4, 2\], 'b': \[3\]\}"):
        coupling({"a": torch.zeros(4, 2), "b": torch.zeros(3)}, {"a": torch.zeros(4, 2), "b": torch.zeros(4)})


@pytest.mark.parametrize("name", TRANSPORTS)
def test_transport_refuses_what_has_no_distance(name):
    coupling = CATALOGUE[name]
    with pytest.raises(InvalidInput, match="Independent"):
        coupling(torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="same keys"):
        coupling({"a": torch.zeros(4, 2)}, {"b": torch.zeros(4, 2)})
    with pytest.raises(InvalidInput, match="cannot be compared"):
        coupling(torch.zeros(4, 2), torch.zeros(4, 3))
    with pytest.raises(InvalidInput, match="not finite"):
        coupling(torch.full((4, 2), torch.nan), torch.zeros(4, 2))
