"""Statistics of graphs that can be counted by hand, and by loops."""

from itertools import combinations, permutations
from math import comb, exp

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import Clustering, Degrees, Orbits, graph_mmd, planar

close = torch.testing.assert_close
F64 = torch.float64


def graph(n, edges):
    a = torch.zeros(n, n, dtype=F64)
    for i, j in edges:
        a[i, j] = a[j, i] = 1
    return a


def complete(n):
    return graph(n, combinations(range(n), 2))


def cycle(n):
    return graph(n, [(i, (i + 1) % n) for i in range(n)])


def star(n):
    return graph(n, [(0, i) for i in range(1, n)])


def random(n=9, seed=0, chance=0.45):
    half = (torch.rand(n, n, generator=torch.Generator().manual_seed(seed)) < chance).double().triu(1)
    return half + half.T


SHAPES = {  # the places of the induced subgraphs: edges, and the orbit of every node
    (2, ((0, 1),)): (0, 0),
    (3, ((0, 1), (1, 2))): (1, 2, 1),
    (3, ((0, 1), (1, 2), (0, 2))): (3, 3, 3),
    (4, ((0, 1), (1, 2), (2, 3))): (4, 5, 5, 4),
    (4, ((0, 1), (0, 2), (0, 3))): (7, 6, 6, 6),
    (4, ((0, 1), (1, 2), (2, 3), (0, 3))): (8, 8, 8, 8),
    (4, ((0, 1), (1, 2), (1, 3), (2, 3))): (9, 11, 10, 10),
    (4, ((0, 1), (1, 2), (2, 3), (0, 3), (0, 2))): (13, 12, 13, 12),
    (4, tuple(combinations(range(4), 2))): (14, 14, 14, 14),
}


@pytest.mark.parametrize("seed", range(3))
def test_orbits_against_isomorphisms(seed):
    """Every set of nodes, every order of it, every shape: the slow way."""
    a = random(8, seed)
    wanted = torch.zeros(8, 15, dtype=F64)
    for (k, edges), orbits in SHAPES.items():
        pattern = graph(k, edges)
        for nodes in combinations(range(8), k):
            for order in permutations(nodes):
                if torch.equal(a[list(order)][:, list(order)], pattern):
                    for node, orbit in zip(order, orbits, strict=True):
                        wanted[node, orbit] += 1
                    break
    close(Orbits().counts(a), wanted)


def test_orbits_of_known_graphs():
    assert Orbits().counts(complete(7))[0, [0, 3, 14]].tolist() == [6, comb(6, 2), comb(6, 3)]
    assert Orbits().counts(cycle(7))[0, :6].tolist() == [2, 2, 1, 0, 2, 2]
    assert Orbits().counts(star(6))[0, [2, 7]].tolist() == [comb(5, 2), comb(5, 3)]
    assert Orbits().counts(cycle(4))[0, 8].item() == 1
    assert Orbits().counts(complete(3)).shape == (3, 15)
    assert Orbits()(torch.zeros(0, 0)).tolist() == [0.0] * 15


def test_orbits_of_a_large_torus():
    """Every node of a square lattice without an end is alike: 4 neighbours, no triangle, 4 squares."""
    side = 16
    index = torch.arange(side * side).reshape(side, side)
    edges = [torch.stack([index, index.roll(1, axis)], -1).flatten(0, 1).tolist() for axis in (0, 1)]
    counts = Orbits().counts(graph(side * side, edges[0] + edges[1]))
    # 12 walks without a turn back to the end of a path of three; 36 to that of four, of which 8 close squares
    wanted = [4, 12, 6, 0, 36 - 8, 36 - 8, 12, 4, 4, 0, 0, 0, 0, 0, 0]
    close(counts, torch.tensor(wanted, dtype=F64).expand(side * side, 15))


def test_clustering_and_degrees():
    assert (Clustering().coefficients(complete(5)) == 1).all()
    assert (Clustering().coefficients(star(5)) == 0).all()
    a = random()
    for i, told in enumerate(Clustering().coefficients(a)):
        near = a[i].nonzero()[:, 0].tolist()
        pairs = list(combinations(near, 2))
        closed = sum(float(a[j, k]) for j, k in pairs)
        assert float(told) == pytest.approx(closed / max(len(pairs), 1))
    assert Clustering()(complete(5))[99] == 1
    assert Degrees()(star(5))[[1, 4]].tolist() == [0.8, 0.2]
    assert Degrees(most=3)(star(5))[3].item() == pytest.approx(0.2)


@pytest.mark.parametrize("statistic", [Degrees(), Clustering(), Orbits()], ids=repr)
def test_the_discrepancy_is_zero_for_one_set_and_does_not_see_the_order(statistic):
    x = [random(9, seed) for seed in range(4)]
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    turned = [a[order][:, order] for a in reversed(x)]
    close(graph_mmd(x, turned, statistic), torch.tensor(0.0), rtol=0, atol=1e-7)
    other = [random(9, seed, 0.8) for seed in range(4)]
    assert graph_mmd(x, other, statistic) > 1e-3
    close(graph_mmd(x, other, statistic), graph_mmd(other, x, statistic))


def test_two_graphs_by_hand():
    """Total variation 1 between a complete graph and an empty one: 2 - 2 exp(-1/2)."""
    value = graph_mmd([complete(4)], [graph(4, [])], Degrees())
    assert float(value) == pytest.approx(2 - 2 * exp(-0.5), rel=1e-5)


def test_what_can_be_drawn_in_the_plane():
    """By Kuratowski: neither K5 nor K3,3, nor what holds them; nor is a graph of two pieces one."""
    utilities = graph(6, [(i, j) for i in range(3) for j in range(3, 6)])
    divided = graph(7, [(0, 3), (0, 4), (0, 6), (6, 5), *((i, j) for i in (1, 2) for j in range(3, 6))])
    apart = graph(6, [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)])
    assert planar([complete(5)]) == planar([utilities]) == planar([divided]) == planar([apart]) == 0
    less = utilities.clone()
    less[0, 3] = less[3, 0] = 0
    assert planar([complete(4), less, cycle(9), star(5)]) == 1
    assert planar([complete(4), complete(5)]) == 0.5


def test_what_cannot_be_compared_is_refused():
    for make, match in (
        (lambda: planar([]), "got no graphs"),
        (lambda: graph_mmd([], [cycle(3)], Degrees()), "got 0 and 1 graphs"),
        (lambda: graph_mmd([cycle(3)], [cycle(3)], lambda a: a.sum(1)), "width of the kernel is None"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
