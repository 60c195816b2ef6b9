"""Optimal pairs on curved spaces."""

import itertools
import math

import pytest
import torch

from pushforward.core import Incompatible
from pushforward.couplings import ExactOT, GeodesicCost
from pushforward.spaces import SE3, Sphere, Tokens, Torus


def test_it_is_the_distance_of_every_pair():
    g = torch.Generator().manual_seed(0)
    like = {"shift": torch.empty(3, 3, dtype=torch.float64), "rotation": torch.empty(3, 3, 3, dtype=torch.float64)}
    x, y = SE3().noise(like, generator=g), SE3().noise(like, generator=g)
    cost = GeodesicCost(SE3())(x, y)
    for i, j in itertools.product(range(3), range(3)):
        one, other = ({k: v[n : n + 1] for k, v in z.items()} for z, n in ((x, i), (y, j)))
        torch.testing.assert_close(cost[i, j], SE3().distance(one, other)[0].square())


@pytest.mark.parametrize("space", [Sphere(), Torus()], ids=str)
def test_the_pairing_is_the_cheapest_of_all(space):
    g = torch.Generator().manual_seed(1)
    like = torch.empty(5, 3, dtype=torch.float64)
    x, y = space.noise(like, generator=g), space.noise(like, generator=g)
    pairs = ExactOT(cost=GeodesicCost(space))(x, y)
    found = space.distance(pairs.x0, pairs.x1).square().sum()
    cost = GeodesicCost(space)(x, y)
    best = min(sum(float(cost[i, p[i]]) for i in range(5)) for p in itertools.permutations(range(5)))
    assert float(found) == pytest.approx(best, rel=1e-9)
    assert math.isfinite(best)
    assert best > 0


def test_symbols_have_no_geodesics():
    with pytest.raises(Incompatible, match="no distances"):
        GeodesicCost(Tokens(3))
