"""What every coupling keeps, whatever it does. A new coupling adds one line to the catalogue."""

import math
import threading
from dataclasses import replace

import pytest
import torch

from pushforward.core import Coupling, InvalidInput, Pairs, map_state, randn_like
from pushforward.couplings import (
    Barycentric,
    BombOT,
    ConditionalOT,
    DataDependent,
    EntropicOT,
    ExactOT,
    Immiscible,
    Independent,
    NearestNoise,
    Paired,
    PartialOT,
    SemiRelaxed,
    StableMatching,
    Truncated,
    UnbalancedOT,
    WeightedCFM,
)
from pushforward.transport import PNorm, SquaredEuclidean, squared_euclidean


def blurred(x1, cond, *, generator=None):
    return map_state(lambda leaf: leaf / 2 + randn_like(leaf, generator=generator), x1)


def handmade(x0, x1):
    flat = [torch.cat([v.flatten(1) if v.ndim > 1 else v[:, None] for v in x.values()], 1) for x in (x0, x1)]
    return squared_euclidean(*flat)


CATALOGUE = {
    "Independent": Independent(),
    "Paired": Paired(),
    "Truncated": Truncated(longest=12.0),
    "Truncated OT": Truncated(ExactOT(), longest=12.0),
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
    "ExactOT p-norm": ExactOT(PNorm(1)),
    "ConditionalOT": ConditionalOT(),
    "ConditionalOT fixed": ConditionalOT(weight=0.1, tolerance=1e-8),
    "Immiscible": Immiscible(),
    "Immiscible exact": Immiscible(half=False),
    "StableMatching": StableMatching(),
    "NearestNoise": NearestNoise(),
    "WeightedCFM": WeightedCFM(),
    "Barycentric": Barycentric(),
    "DataDependent": DataDependent(blurred),
}
MAKES = ["Barycentric", "DataDependent"]  # sources that are no rows of the batch
PICKS = [name for name in CATALOGUE if name not in MAKES]
DRAWS = {  # some rows twice, some not at all
    "EntropicOT",
    "EntropicOT absolute",
    "UnbalancedOT",
    "UnbalancedOT absolute",
    "SemiRelaxed",
    "BombOT entropic",
    "NearestNoise",
}
PERMUTES = [name for name in PICKS if name not in DRAWS]
TRANSPORTS = [
    name for name in CATALOGUE if name not in ("Independent", "Paired", "DataDependent") and "Truncated" not in name
]
# nearest pairs first leave the farthest for the end: between clouds that lie apart this can cost more than chance
CHEAPER = [name for name in TRANSPORTS if name != "StableMatching"]
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
    assert pairs.x0.shape == x1.shape
    if coupling in [CATALOGUE[name] for name in PICKS]:
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
    assert (first.weight is None) == (second.weight is None)
    assert first.weight is None or first.weight.equal(second.weight)


def test_global_randomness_is_left_alone(coupling, gen):
    x0, x1 = batches(10, (2,), gen)
    before = torch.get_rng_state()
    coupling(x0, x1, generator=again())
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("name", [*PICKS, "Barycentric"])
def test_one_row_travels_to_the_other(name, gen):
    x0, x1 = batches(1, (2,), gen)
    pairs = CATALOGUE[name](x0, x1, torch.tensor([4]), generator=again())
    assert pairs.x0.equal(x0)
    assert pairs.x1.equal(x1)
    assert pairs.cond.equal(torch.tensor([4]))


@pytest.mark.parametrize("name", [*PICKS, "Barycentric"])
def test_identical_points_are_no_trouble(name):
    x = torch.ones(6, 3)
    pairs = CATALOGUE[name](x, x, generator=again())
    torch.testing.assert_close(pairs.x0, x)


def test_mappings(coupling, gen):
    position, size = batches(16, (3, 2), gen), batches(16, (), gen)
    x0, x1 = ({"position": position[k], "size": size[k]} for k in (0, 1))
    cond = {"label": torch.arange(16), "vector": x1["position"].flatten(1)}
    pairs = coupling(x0, x1, cond, generator=again())
    assert pairs.x1["position"].flatten(1).equal(pairs.cond["vector"])
    if coupling in [CATALOGUE[name] for name in MAKES]:
        assert {name: leaf.shape for name, leaf in pairs.x0.items()} == {k: v.shape for k, v in x1.items()}
        return
    moved = rows_of(pairs.x0["position"], x0["position"])
    assert pairs.x0["size"].equal(x0["size"][moved])  # the leaves of a row stay together
    # a mapping is the concatenation of its leaves
    flat = [torch.cat([x["position"].flatten(1), x["size"][:, None]], 1) for x in (x0, x1)]
    assert rows_of(coupling(*flat, cond, generator=again()).x0, flat[0]).equal(moved)


@pytest.mark.parametrize("name", CHEAPER)
def test_transport_is_cheaper_than_chance(name, gen):
    x0, x1 = batches(128, (2,), gen)
    pairs, random = CATALOGUE[name](x0, x1, generator=again()), Independent()(x0, x1, generator=again())
    weight = torch.ones(128) if pairs.weight is None else pairs.weight
    own = getattr(CATALOGUE[name], "cost", SquaredEuclidean())
    cost, chance = (own(p.x0, p.x1).diagonal() for p in (pairs, random))
    # in l1 all pairings of clouds that lie apart cost nearly the same
    assert (cost * weight).mean() < (1 if "p-norm" in name else 0.95) * chance.mean()


@pytest.mark.parametrize("name", [name for name in TRANSPORTS if hasattr(CATALOGUE[name], "cost")])
def test_any_callable_is_a_cost(name, gen):
    x0, x1 = batches(24, (2,), gen)
    states = [{"a": x[:, :1], "b": x[:, 1]} for x in (x0, x1)]
    mine, ours = (replace(CATALOGUE[name], cost=cost) for cost in (handmade, SquaredEuclidean()))
    torch.testing.assert_close(mine(*states, generator=again()).x0, ours(*states, generator=again()).x0)
    with pytest.raises(InvalidInput, match=r"cost gave torch.float\d+ of shape \[24\], expected.* \[24, 24\]"):
        replace(ours, cost=lambda x0, x1: x0[:, 0] - x1[:, 0])(x0, x1)


@pytest.mark.parametrize("name", [name for name in PERMUTES if hasattr(CATALOGUE[name], "cost")])
def test_the_cost_reads_from_source_to_data(name, gen):
    # going up is free, going down is not: the order of the two arguments matters
    x0, x1 = torch.randn(24, 1, generator=gen), torch.randn(24, 1, generator=gen)
    up = replace(CATALOGUE[name], cost=lambda x0, x1: (x0 - x1.T).clamp_min(0))
    down = replace(CATALOGUE[name], cost=lambda x0, x1: (x1.T - x0).clamp_min(0))
    pairs, other = up(x0, x1, generator=again()), down(-x0, -x1, generator=again())
    assert pairs.x0.equal(-other.x0)
    if pairs.weight is None:
        chance = (x0 - x1).clamp_min(0).mean()
        assert (pairs.x0 - pairs.x1).clamp_min(0).mean() < 0.7 * chance


EQUIVARIANT = {
    "Paired": Paired(),
    "Truncated": Truncated(longest=12.0),
    "ExactOT": ExactOT(tolerance=1e-8),
    "ExactOT p-norm": ExactOT(PNorm(3), tolerance=1e-8),
    "ConditionalOT": ConditionalOT(tolerance=1e-8),
    "ConditionalOT fixed": ConditionalOT(weight=0.5, tolerance=1e-8),
    "Immiscible": Immiscible(half=False, tolerance=1e-8),
    "StableMatching": StableMatching(),
    "Barycentric": Barycentric(),
}


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("name", EQUIVARIANT)
def test_the_order_of_the_rows_carries_the_answer(name, labels, gen):
    x0, x1 = batches(40, (2,), gen)
    cond = torch.randint(3, (40,), generator=gen) if labels else torch.randn(40, 2, generator=gen)
    order = torch.randperm(40, generator=gen)
    coupling = EQUIVARIANT[name]
    pairs, moved = coupling(x0, x1, cond), coupling(x0[order], x1[order], cond[order])
    torch.testing.assert_close(moved.x0, pairs.x0[order])


@pytest.mark.parametrize("name", PICKS)
def test_gradients_pass_through_the_chosen_rows(name, gen):
    x0, x1 = batches(10, (2,), gen)
    pairs = CATALOGUE[name](x0.requires_grad_(), x1.requires_grad_(), generator=again())
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
