import numpy as np
import ot
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import sliced_wasserstein, wasserstein


@pytest.mark.parametrize("directions", [2, 3, 64, 100, None])
def test_translation_in_the_plane(directions, gen):
    # equispaced angles integrate (c . theta)^2 = |c|^2 (1 + cos 2(phi - phi_c)) / 2 exactly from two angles on
    x = torch.randn(50, 2, generator=gen, dtype=torch.float64)
    c = torch.tensor([3.0, 4.0], dtype=torch.float64)
    value = sliced_wasserstein(x, x.flip(0) + c, directions=directions)
    assert float(value) == pytest.approx(5 / 2**0.5, rel=1e-12)


def test_translation_in_space(gen):
    L, c = 4000, torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)
    x = torch.randn(20, 3, generator=gen, dtype=torch.float64)
    square = float(sliced_wasserstein(x, x + c, directions=L, generator=gen)) ** 2
    # Var (c . theta)^2 = |c|^4 (1/5 - 1/9) on the sphere
    assert square == pytest.approx(5 / 3, abs=4 * 5 * (4 / 45 / L) ** 0.5)


def test_gaussians(gen):
    # sheet `particles`, O4: N(0, diag(1, 4)) against N(0, I) in the plane
    n = 50_000
    x, y = torch.randn(2, n, 2, generator=gen)
    square = float(sliced_wasserstein(x * torch.tensor([1.0, 2.0]), y)) ** 2
    # (s - 1)^2 moves by 2 (s - 1) times the errors of two standard deviations, s / sqrt(2n) and 1 / sqrt(2n), s <= 2
    assert square == pytest.approx(0.4160711496, abs=4 * 2 * (5 / (2 * n)) ** 0.5)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 15), (7, 23), (1, 6)])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_slices_against_pot(n, m, p, gen):
    x, y = (torch.randn(k, 2, generator=gen, dtype=torch.float64) for k in (n, m))
    powers = []
    for angle in np.arange(100) * np.pi / 100:  # more than one block of directions, the last one short
        theta = np.array([np.cos(angle), np.sin(angle)])
        powers.append(ot.wasserstein_1d(x.numpy() @ theta, y.numpy() @ theta, p=p))
    assert float(sliced_wasserstein(x, y, p, directions=100)) == pytest.approx(np.mean(powers) ** (1 / p), rel=1e-10)


def test_one_dimension_is_wasserstein(gen):
    x, y = torch.randn(30, 1, generator=gen), torch.rand(17, 1, generator=gen)
    assert float(sliced_wasserstein(x, y)) == pytest.approx(wasserstein(x, y), rel=1e-5)


def test_same_generator_same_value():
    x, y = torch.zeros(4, 5), torch.arange(20.0).reshape(4, 5)
    values = [float(sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(s))) for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_sorted_paths_agree(gen):
    x, y = torch.randn(2, 40, 4, generator=gen)
    seed = torch.Generator().manual_seed
    plain = sliced_wasserstein(x, y, generator=seed(0))
    graph = sliced_wasserstein(x.clone().requires_grad_(), y, generator=seed(0))
    torch.testing.assert_close(plain, graph.detach())


def test_refusals():
    x = torch.zeros(2, 2)
    with pytest.raises(InvalidInput, match="directions is 0"):
        sliced_wasserstein(x, x, directions=0)
    with pytest.raises(InvalidInput, match="p is 0"):
        sliced_wasserstein(x, x, p=0.5)
