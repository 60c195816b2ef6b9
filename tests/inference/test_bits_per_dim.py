"""Bounds of log-probabilities against cells whose mass is known."""

import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.inference import bits_per_dim, log_bound
from pushforward.inference.dequantisation import TruncatedNormal, Uniform, Variational
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, CondOT, VariancePreserving

WEIGHTS, MEANS, STDS = (0.3, 0.7), ((-1.0, 0.5), (1.2, -0.3)), (0.5, 0.8)
HALF = 0.5
CELLS = torch.cartesian_prod(*(torch.arange(-5.0, 6.0, dtype=torch.float64),) * 2)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def density(y):
    """A mixture of round Gaussians."""
    total = torch.stack(
        [
            math.log(w / (2 * math.pi * s * s)) - (y - y.new_tensor(m)).square().sum(1) / (2 * s * s)
            for w, m, s in zip(WEIGHTS, MEANS, STDS, strict=True)
        ]
    )
    return total.logsumexp(0)


def mass(x):
    """Its mass in the cell of width 1 around x, by the normal distribution function."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for w, m, s in zip(WEIGHTS, MEANS, STDS, strict=True):
        upper, lower = ((x + side - x.new_tensor(m)) / s for side in (HALF, -HALF))
        total += w * (torch.special.ndtr(upper) - torch.special.ndtr(lower)).prod(1)
    return total


def shaped(seed=0):
    """A variational law that is not uniform."""
    torch.manual_seed(seed)
    net = Variational((2,), 8).double()
    torch.nn.init.normal_(net.layers[-1].weight, std=0.5)
    return net


LAWS = [Uniform(), TruncatedNormal(0.2), TruncatedNormal(3.0), TruncatedNormal(1e-3), Variational((2,)).double()]
each_law = pytest.mark.parametrize("law", [*LAWS, shaped()], ids=lambda law: str(law).partition("\n")[0])


@each_law
def test_draws_stay_in_their_cells_and_have_the_density_they_claim(law):
    """Against a smooth bump g on the cell: E_q[g / q] is the integral of g, at 4 standard errors of 40,000 draws."""
    x = torch.tensor([[2.0, -1.0]], dtype=torch.float64).repeat(40_000, 1)
    with torch.no_grad():
        y, log_q = law(x, 0.25, generator=seeded(0))
    z = (y - x) / 0.25
    assert (z.abs() <= 1 + 1e-9).all()
    width = min(1.0, getattr(law, "scale", 1.0) / 0.25 * 2)  # a bump that reaches no further than the draws do
    bump = lambda z: ((z / width).abs() < 1) * (1 - (z / width).square()).clamp_min(0).square()
    rows = bump(z).prod(1) / log_q.exp()
    assert abs(rows.mean() - (0.25 * width * 16 / 15) ** 2) < 4 * rows.std() / math.sqrt(len(rows))


@each_law
def test_the_bound_is_below_the_mass_and_reaches_it_with_many_draws(law):
    x = CELLS[mass(CELLS) > 1e-3]
    exact = mass(x).log()
    one, rows = [], 400
    with torch.no_grad():
        one = log_bound(density, x.repeat(rows, 1), HALF, law, generator=seeded(1)).reshape(rows, -1)
    gap = exact - one.mean(0)
    assert (gap > -4 * one.std(0) / math.sqrt(rows)).all()
    if getattr(law, "scale", 1.0) == 1e-3:
        return  # such draws see the middle of a cell only: their weights have no usable mean
    weights = one.exp()
    error = weights.std(0) / weights.mean(0) / math.sqrt(rows)  # of log mean exp, to first order
    assert ((one.logsumexp(0) - math.log(rows) - exact).abs() < 4.5 * error + 1e-6).all()


@pytest.mark.parametrize("law", [Uniform(), TruncatedNormal(0.4)], ids=repr)
def test_the_bound_rises_with_the_draws(law):
    x = CELLS[mass(CELLS) > 1e-3].repeat(50, 1)
    found = [log_bound(density, x, HALF, law, draws=k, generator=seeded(3)).mean() for k in (1, 4, 32)]
    assert found[0] < found[1] < found[2]
    with pytest.raises(InvalidInput, match="draws=0"):
        log_bound(density, x, HALF, law, draws=0)
    with pytest.raises(InvalidInput, match="half=0"):
        log_bound(density, x, 0.0, law)


def test_bits_of_a_constant_density_are_exact():
    x = torch.randint(0, 16, (5, 3), generator=seeded(0)).double() + 0.5
    inside = lambda y: torch.full((len(y),), -3 * math.log(16.0), dtype=y.dtype)
    torch.testing.assert_close(bits_per_dim(inside, x, 0.5, Uniform()), torch.full((5,), 4.0, dtype=torch.float64))


def test_a_truncated_normal_of_the_densitys_own_width_has_no_gap():
    """p normal around the middle: p / q is the constant Z^d, whatever is drawn."""
    x, s = torch.randn(6, 4, dtype=torch.float64, generator=seeded(0)), 0.07
    p = lambda y: (-0.5 * ((y - x) / s) ** 2 - 0.5 * math.log(2 * math.pi) - math.log(s)).sum(1)
    value = log_bound(p, x, 0.1, TruncatedNormal(s), generator=seeded(1))
    torch.testing.assert_close(value, torch.full((6,), 4 * math.log(math.erf(0.1 / s / math.sqrt(2)))).double())


def test_a_wide_truncated_normal_is_uniform():
    x = torch.zeros(4, 3, dtype=torch.float64)
    wide, flat = (law(x, 0.5, generator=seeded(2)) for law in (TruncatedNormal(1e5), Uniform()))
    torch.testing.assert_close(wide.y, flat.y, rtol=0, atol=1e-9)
    torch.testing.assert_close(wide.log_q, flat.log_q, rtol=0, atol=1e-9)


@pytest.mark.parametrize("schedule", [CondOT(), VariancePreserving()], ids=repr)
def test_values_on_a_lattice_are_told_by_the_paths_own_noise(schedule):
    """Data are whole numbers; at t = 0.98 the path has widened them, by far less than a cell.

    There the exact state is one narrow Gaussian around alpha x for each value, so the cell holds the value's own
    probability times Z^d (others are 7 widths away), and the truncated normal is p within it. Uniform noise is not.
    """
    means = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    tiny = 1e-6 * torch.eye(2, dtype=torch.float64).expand(3, 2, 2)
    path, t = Affine(schedule), 0.98
    exact = GaussianMixture(means, tiny, [0.5, 0.2, 0.3]).along(path)
    law = TruncatedNormal.at(path, t)
    c = path.coeffs(torch.tensor([t], dtype=torch.float64))
    assert law.scale == pytest.approx(float(c.sigma / c.alpha))
    bound = lambda q: log_bound(
        lambda z: exact.log_prob(z, t), means, HALF, q, alpha=float(c.alpha), generator=seeded(0)
    )
    inside = 2 * math.log(math.erf(HALF / law.scale / math.sqrt(2)))
    expected = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64).log() + inside
    # the data's own width of 1e-3 is not in q: that is r (|e|^2 - d) / 2 with r the ratio of variances, at most 2.4e-3
    torch.testing.assert_close(bound(law), expected, rtol=0, atol=2e-2)
    assert (bound(Uniform()) < expected - 1).all()


def logistic_cell(u, m, s):
    """Log-density of sigmoid(m + s logit v), v uniform, on (0, 1): what the variational family can say exactly."""
    a = (torch.logit(u) - m) / s
    return (torch.nn.functional.logsigmoid(a) + torch.nn.functional.logsigmoid(-a) - math.log(s)) - (u * (1 - u)).log()


def test_a_variational_law_that_is_the_density_has_no_gap():
    law = Variational((2,), largest=1e6).double()
    with torch.no_grad():
        law.layers[-1].bias.copy_(torch.tensor([0.7, -0.2, math.log(0.5), math.log(1.5)]))
        x = torch.zeros(50, 2, dtype=torch.float64)
        p = lambda y: logistic_cell(y[:, 0] + 0.5, 0.7, 0.5) + logistic_cell(y[:, 1] + 0.5, -0.2, 1.5) + math.log(0.3)
        value = log_bound(p, x, 0.5, law, generator=seeded(0))
    torch.testing.assert_close(value, torch.full((50,), math.log(0.3), dtype=torch.float64), rtol=0, atol=1e-6)


def test_learning_closes_most_of_the_gap_that_uniform_noise_leaves():
    x = CELLS[mass(CELLS) > 1e-2]
    exact = mass(x).log()
    torch.manual_seed(0)
    law = Variational((2,), 32).double()
    gap = lambda law: (
        exact - log_bound(density, x.repeat(400, 1), HALF, law, generator=seeded(9)).reshape(400, -1)
    ).mean()
    before = gap(law)
    torch.testing.assert_close(before, gap(Uniform()), rtol=0, atol=1e-9)  # it starts there
    adam, g = torch.optim.Adam(law.parameters(), 1e-2), seeded(1)
    for _ in range(300):
        adam.zero_grad()
        (-log_bound(density, x.repeat(8, 1), HALF, law, generator=g)).mean().backward()
        adam.step()
    with torch.no_grad():
        after = gap(law)
    # what remains is the shape of p within a cell that one logistic per coordinate cannot take
    assert 0 < after < before / 4


def test_dtype_shape_and_generator():
    x = torch.zeros(3, 1, 2, 2)
    for law in (Uniform(), TruncatedNormal(0.3), Variational((1, 2, 2))):
        y, log_q = law(x, 0.5, generator=seeded(4))
        again = law(x, 0.5, generator=seeded(4))
        assert y.shape == x.shape
        assert log_q.shape == (3,)
        assert y.dtype == log_q.dtype == torch.float32
        assert torch.equal(y, again.y)
    with pytest.raises(InvalidInput, match=r"x has rows \[3\], expected \[2\]"):
        Variational((2,))(torch.zeros(1, 3), 0.5)
    with pytest.raises(InvalidInput, match="scale > 0"):
        TruncatedNormal(0.0)


def test_one_cell_of_a_normal():
    """p = N(0, 1/4) on the cell [0, 1]: the bound of uniform noise and the mass, both known."""
    x = torch.full((200_000, 1), 0.5, dtype=torch.float64)
    p = lambda y: (-2 * y.square() - 0.5 * math.log(2 * math.pi * 0.25))[:, 0]
    rows = log_bound(p, x, 0.5, Uniform(), generator=seeded(0))
    assert abs(rows.mean() + 0.892458) < 4 * rows.std() / math.sqrt(len(rows))
    many = log_bound(p, x[:1000], 0.5, Uniform(), draws=400, generator=seeded(1))
    # the bias of 400 draws is var(p / q) / (2 * 400 P^2), below 1e-3
    assert abs(many.mean() + 0.739715) < 4 * many.std() / math.sqrt(1000) + 1e-3


@pytest.mark.parametrize(("tau", "entropy"), [(0.3, 4.422938), (1.0, 3.229237), (3.0, 2.509119)])
def test_the_entropy_of_the_truncated_normal(tau, entropy):
    """E log q per coordinate for s = 0.02 by quadrature."""
    x = torch.zeros(50_000, 3, dtype=torch.float64)
    rows = TruncatedNormal(0.02)(x, 0.02 * tau, generator=seeded(0)).log_q / 3
    assert abs(rows.mean() - entropy) < 4 * rows.std() / math.sqrt(len(rows)) + 1e-6


@pytest.mark.parametrize("law", [Uniform(), TruncatedNormal(0.5)], ids=repr)
def test_masses_of_all_cells_add_up_to_one(law):
    """Each is estimated without bias by p / q; what lies beyond 5.5 is below 1e-6."""
    rows = log_bound(density, CELLS.repeat(2000, 1), HALF, law, generator=seeded(0)).exp().reshape(2000, -1).sum(1)
    assert abs(rows.mean() - 1) < 4 * rows.std() / math.sqrt(2000) + 1e-6
