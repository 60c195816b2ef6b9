import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import Equispaced, LowerBound, Orthogonal, RandomDirections, Sobol, UpperBound
from pushforward.metrics import sliced_wasserstein as sw
from pushforward.metrics.control_variates import controlled_mean

RULES = [RandomDirections(), Orthogonal(), Sobol()]


def cloud(gen, n=50, d=3):
    return torch.randn(n, d, dtype=torch.float64, generator=gen)


@pytest.mark.parametrize("control", [LowerBound(), UpperBound()])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("directions", [2, 5, 100])
def test_lower_bound_makes_translations_exact(control, rule, directions, gen):
    x, delta = cloud(gen), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    if control == UpperBound():
        x = x - x.mean(0)
        value = sw(x, 3 * x, directions=directions, rule=rule, control=control, generator=gen)
        exact = 4 * x.square().mean()
    else:
        value = sw(x, x + delta, directions=directions, rule=rule, control=control, generator=gen)
        exact = torch.tensor(1.75, dtype=torch.float64)
    torch.testing.assert_close(value.square(), exact, rtol=1e-10, atol=0)


def test_one_dimension_and_constant_values(gen):
    x, y = cloud(gen, d=1), cloud(gen, d=1) + 1
    assert sw(x, y, control=LowerBound()).item() == pytest.approx(sw(x, y).item(), rel=1e-14)
    same, control = torch.full((5,), 2.0).double(), torch.rand(5, generator=gen).double()
    assert controlled_mean(same, control, torch.tensor(0.0).double()).item() == 2.0
    assert controlled_mean(control, same, torch.tensor(0.0).double()).item() == control.mean().item()


@pytest.mark.parametrize("control", [LowerBound(), UpperBound()])
def test_means_over_the_sphere(control, gen):
    x, y = cloud(gen, n=20), 2 * cloud(gen, n=30) + 1
    theta = Orthogonal()(3 * 50, x, generator=gen)  # quadratic forms average exactly over orthonormal bases
    torch.testing.assert_close(control.slices(theta @ x.T, theta @ y.T).mean(), control.mean(x, y))


def test_variance_falls(gen):
    # mostly a translation: what is left to chance is small
    x, y = cloud(gen), cloud(gen) + torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    plain, controlled = (
        torch.stack(
            [sw(x, y, directions=10, rule=RandomDirections(), control=c, generator=gen) ** 2 for _ in range(200)]
        )
        for c in (None, LowerBound())
    )
    exact = sw(x, y, directions=20000, generator=gen) ** 2
    assert controlled.var() < plain.var() / 10
    # biased by O(1 / L) of its own spread, beside the error of the mean
    assert abs(controlled.mean() - exact) < 4 * controlled.std() / 200**0.5 + controlled.std() / 10**0.5


@pytest.mark.parametrize("control", [LowerBound(), UpperBound()])
@pytest.mark.parametrize("m", [6, 4])
def test_gradients(control, m, gen):
    x, y = cloud(gen, n=6).requires_grad_(), cloud(gen, n=m).requires_grad_()

    def value(x, y):
        return sw(x, y, directions=6, control=control, generator=torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(value, (x, y))


def test_gradient_at_equal_sets_is_finite(gen):
    x = cloud(gen, n=6).requires_grad_()
    sw(x, x.detach().clone(), control=LowerBound(), directions=4, generator=gen).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("rule", RULES)
def test_rules_give_unit_vectors_that_cover_the_sphere(rule, gen):
    theta = rule(4096, torch.zeros(1, 3, dtype=torch.float64), generator=gen)
    torch.testing.assert_close(theta.norm(dim=1), torch.ones(4096).double())
    # E theta theta' = I / d; entries of the random rule have variance 2 / (d^2 (d + 2)) * ... < 1 / 10
    second = theta.T @ theta / 4096
    assert (second - torch.eye(3) / 3).abs().max() < 5 * (0.1 / 4096) ** 0.5
    again = rule(4096, torch.zeros(1, 3, dtype=torch.float64), generator=gen)
    assert not again.equal(theta)


def test_even_rules_beat_chance(gen):
    x, y = cloud(gen), 0.3 * cloud(gen) + torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    exact = sw(x, y, directions=30000, generator=gen) ** 2

    def spread(rule):
        return torch.stack([sw(x, y, directions=48, rule=rule, generator=gen) ** 2 - exact for _ in range(60)]).std()

    chance = spread(RandomDirections())
    assert spread(Orthogonal()) < chance / 2
    assert spread(Sobol()) < chance / 2


def test_refusals(gen):
    x = cloud(gen)
    with pytest.raises(InvalidInput, match="p = 2"):
        sw(x, x, 1, control=LowerBound())
    with pytest.raises(InvalidInput, match="two directions"):
        sw(x, x, directions=1, control=LowerBound())
    with pytest.raises(InvalidInput, match="plane"):
        sw(x, x, rule=Equispaced())
