"""Spectral distances against their closed form on the sphere, and their gradients."""

import math

import pytest
import torch
from scipy.special import eval_legendre

from pushforward.core import Incompatible, InvalidInput
from pushforward.spaces import Biharmonic, Commute, Diffusion, Mesh, SpectralDistance

F64 = torch.float64
close = torch.testing.assert_close
WEIGHTS = [Biharmonic(), Commute(), Diffusion(0.1)]


def draws(mesh, n, seed):
    return mesh.noise(torch.empty(n, 3, dtype=F64), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("weight", WEIGHTS, ids=repr)
def test_on_the_sphere_only_the_angle_counts(weight):
    """d^2 = sum_l w(l (l + 1)) (2 l + 1) (1 - P_l(cos angle)) / 2 pi, whose error is of second order in the edges."""
    errors = []
    for level in (3, 4):
        ball = Mesh.icosphere(level)
        distance = SpectralDistance(ball, weight, modes=24)
        x, y = ball.vertices[:1].expand(42, 3), ball.vertices[:42]  # the vertices that all levels share
        cos = (x * y).sum(1).clamp(-1, 1).numpy()
        terms = [
            float(weight(torch.tensor(n * (n + 1.0)))) * (2 * n + 1) * (1 - eval_legendre(n, cos)) / (2 * math.pi)
            for n in range(1, 5)
        ]
        exact = torch.as_tensor(sum(terms)).sqrt()
        errors.append(float((distance(x, y) - exact).abs().max() / exact.max()))
    assert errors[1] < 0.01
    assert 3 < errors[0] / errors[1] < 5


@pytest.mark.parametrize("weight", WEIGHTS, ids=repr)
def test_the_gradient_is_that_of_the_distance(weight):
    """Central differences along the face, where the squared distance is a quadratic."""
    ball, h = Mesh.icosphere(2), 1e-6
    distance = SpectralDistance(ball, weight, modes=48)
    x, y = draws(ball, 200, 0), draws(ball, 200, 1)
    u = ball.tangent(x, torch.randn(200, 3, generator=torch.Generator().manual_seed(2), dtype=F64))
    d, slope = distance.towards(y)(x)
    close(d, distance(x, y))
    inside = ball.locate(x).weights.min(1).values > 1e-3
    differences = (distance(x + h * u, y) - distance(x - h * u, y)) / (2 * h)
    close((slope * u).sum(1)[inside], differences[inside], rtol=1e-5, atol=1e-8)
    close(ball.tangent(x, slope), slope)


@pytest.mark.parametrize("weight", WEIGHTS, ids=repr)
def test_it_is_a_metric_with_many_functions(weight):
    ball = Mesh.icosphere(2)
    distance = SpectralDistance(ball, weight, modes=120)
    n = len(ball.vertices)
    table = torch.stack([distance(v.expand(n, 3), ball.vertices) for v in ball.vertices])
    close(table, table.T)
    assert (table[:, None] <= table[:, :, None] + table[None] + 1e-9).all()
    apart = ~torch.eye(n, dtype=torch.bool)
    # 1e-3 of the largest: a nearest neighbour is a tenth of the way to the antipode
    assert table[apart].min() > 1e-3 * table.max()
    assert table.diagonal().abs().max() < 1e-7


def test_at_the_target_all_is_zero_and_copies_add_in_squares():
    ball = Mesh.icosphere(2)
    distance = SpectralDistance(ball, modes=24)
    x, y = draws(ball, 20, 0), draws(ball, 20, 1)
    d, slope = distance.towards(x)(x)
    assert d.abs().max() == 0
    assert slope.abs().max() == 0
    both = lambda p: p.unflatten(0, (10, 2))
    close(distance(both(x), both(y)), both(distance(x, y).square()).sum(1).sqrt())


def test_what_it_cannot_be_made_of_is_refused():
    with pytest.raises(InvalidInput, match="positive, finite tau, got 0"):
        Diffusion(0.0)
    with pytest.raises(InvalidInput, match="100 eigenfunctions of a mesh with 42"):
        SpectralDistance(Mesh.icosphere(1))
    with pytest.raises(Incompatible, match=r"write Biharmonic\(\)"):
        SpectralDistance.__post_init__(
            type("Fake", (), {"mesh": Mesh.icosphere(1), "weight": Biharmonic, "modes": 4})()
        )
