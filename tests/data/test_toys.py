"""Laws over all toys: shapes, generators, labels; densities against histograms; moments in closed form."""

import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.stats import chi2, ks_2samp

from pushforward.core import Incompatible, InvalidInput, generator_from
from pushforward.data import (
    BallMixture,
    BoxFaces,
    Checkerboard,
    Components,
    Distribution,
    EightGaussians,
    Funnel,
    Gaussian,
    GaussianMoons,
    Labelled,
    Moons,
    Pinwheel,
    PolytopeMixture,
    Rings,
    SCurve,
    Spirals,
)

TOYS = [
    BallMixture(dim=2),
    BoxFaces(),
    BoxFaces(share=0.3, std=0.5),
    PolytopeMixture(dim=2, faces=9),
    Checkerboard(),
    Checkerboard(cells=2, side=0.5),
    EightGaussians(),
    Funnel(),
    Gaussian(mean=1.0, std=0.5),
    GaussianMoons(),
    Moons(),
    Moons(noise=1.0, scale=1.0, shift=0.0),
    Pinwheel(),
    Rings(),
    SCurve(),
    Spirals(),
]
# with half the side of a square around 0 that holds all but about 1e-6 of the mass
DENSITIES = [
    (BoxFaces(std=0.3), 1.0),
    (Checkerboard(), 4.5),
    (Checkerboard(cells=2, side=0.5), 0.7),
    (EightGaussians(), 8.0),
    (Gaussian(mean=1.0, std=0.5), 4.0),
    (GaussianMoons(noise=0.3, scale=2.0, shift=-1.0), 6.0),
    (Moons(), 6.0),
    (Moons(noise=1.0, scale=1.0, shift=0.0), 3.1),
    (Rings(), 3.5),
]
N = 100_000


@pytest.fixture(params=TOYS, ids=str)
def toy(request):
    return request.param


def test_draws_depend_on_the_generator_alone(toy):
    assert isinstance(toy, Distribution)
    state = torch.random.get_rng_state()
    x = toy.sample(100, generator=generator_from(0))
    assert (x.shape, x.dtype) == ((100, 2), torch.float32)
    assert torch.equal(x, toy.sample(100, generator=generator_from(0)))
    assert not torch.equal(x, toy.sample(100, generator=generator_from(1)))
    assert torch.equal(state, torch.random.get_rng_state())


def test_labels_belong_to_the_same_points(toy):
    if not isinstance(toy, Components):
        with pytest.raises(Incompatible, match="has no components"):
            Labelled(toy)
        return
    x, label = Labelled(toy).sample(N, generator=generator_from(0))
    assert torch.equal(x, toy.sample(N, generator=generator_from(0)))
    counts = torch.bincount(label, minlength=toy.classes)
    assert len(counts) == toy.classes
    # each is Binomial(N, 1 / K), sd below sqrt(N / K)
    assert (counts - N / toy.classes).abs().max() < 5 * math.sqrt(N / toy.classes)


# means and mean squared lengths, worked out on paper from the documented laws
MOMENTS = [
    (Checkerboard(), (0, 0), 32 / 3),  # every column and every row is uniform: 2 * 4^2 / 3
    (EightGaussians(), (0, 0), 25 + 2 * math.sqrt(0.1)),
    (Gaussian(mean=1.0, std=0.5), (1, 1), 2 + 0.5),
    (GaussianMoons(), (0.5, 0.25), None),
    (Moons(), (0.8, 0.05), None),  # 3 (1/2 + 1/10) - 1 and 3 (1/4 + 1/10) - 1
    (Pinwheel(), (0, 0), 4 * (1 + 0.09 + 0.01)),  # rotations keep lengths
    (Rings(), (0, 0), 9 * (1 + 4 + 9 + 16) / 64 + 2 * 0.08**2),
    (SCurve(), (0, 0), 2 * SCurve().spread ** 2),
    (Spirals(), (0, 0), math.pi**2 / 2 + 0.02),  # phi^2 / 9 = pi^2 u
]


@pytest.mark.parametrize(("toy", "mean", "square"), MOMENTS, ids=str)
def test_moments(toy, mean, square):
    x = toy.sample(N, generator=generator_from(3)).double()
    error = x.std(0) / math.sqrt(N)
    assert ((x.mean(0) - torch.tensor(mean)).abs() < 5 * error).all()
    if square is not None:
        lengths = x.square().sum(1)
        assert lengths.mean().item() == pytest.approx(square, abs=5 * lengths.std().item() / math.sqrt(N))


@pytest.mark.parametrize(("toy", "reach"), DENSITIES, ids=str)
def test_density_integrates_to_one_and_predicts_the_histogram(toy, reach):
    cells, fine = 20, 40
    side = 2 * reach / (cells * fine)
    line = -reach + side * torch.arange(cells * fine, dtype=torch.float64)
    corners = torch.cartesian_prod(line, line)
    points = corners + side * torch.rand(corners.shape, dtype=torch.float64, generator=generator_from(1))
    density = toy.log_prob(points).exp().reshape(cells, fine, cells, fine).transpose(1, 2).flatten(2)
    mass = density.mean(2) * (side * fine) ** 2
    # one uniform point per fine square, so no worse than independent points: an error per cell that is measured here
    error = density.std(2) / fine * (side * fine) ** 2
    assert (mass.sum() - 1).abs() < 5 * error.square().sum().sqrt() + 1e-6

    x = toy.sample(N, generator=generator_from(5)).double()
    index = ((x + reach) * (cells / (2 * reach))).floor().long().clamp(0, cells - 1)
    counts = torch.bincount(index[:, 0] * cells + index[:, 1], minlength=cells**2).reshape(cells, cells)
    expected = N * mass
    assert counts[expected == 0].sum() <= 5
    variance = expected + (N * error).square()  # Poisson, and the quadrature's
    assert ((counts - expected).abs() < 5 * (variance + 1).sqrt()).all()
    seen = expected > 20
    assert ((counts - expected).square() / variance)[seen].sum().item() < chi2.isf(1e-4, int(seen.sum()))


def test_moons_density_has_the_marginal_across_the_diagonal():
    # x - y does not see the smear: it is that of the clean half circles, cos(a) - sin(a) and 1/2 + sin(a) - cos(a)
    angles = (torch.arange(200_000, dtype=torch.float64) + 0.5) * (math.pi / 200_000)
    clean = torch.cat([angles.cos() - angles.sin(), 0.5 + angles.sin() - angles.cos()])
    # the density has inverse square roots where |x - y| or |x - y - 1/2| is sqrt(2): put them at the ends of intervals
    # and substitute a sine there; along a diagonal it is constant between jumps, each met by 800 midpoints to 4e-3 of
    # 0.8, now above, now below
    root, half = math.sqrt(2), torch.linspace(-math.pi / 2, math.pi / 2, 401, dtype=torch.float64)
    phi = (half[1:] + half[:-1]) / 2
    along = -2 + 6 * (torch.arange(800, dtype=torch.float64) + 0.5) / 800
    for low, high in ((-root, 0.5 - root), (0.5 - root, root), (root, 0.5 + root)):
        across = (low + high) / 2 + (high - low) / 2 * phi.sin()
        points = torch.stack([along + across[:, None], along - across[:, None]], -1) / 2
        lines = (
            Moons(noise=0.4, scale=1.0, shift=0.0).log_prob(points.reshape(-1, 2)).exp().reshape(400, 800).mean(1) * 6
        )
        # d(x, y) is half of d(x + y, x - y)
        mass = (lines * (high - low) / 2 * phi.cos()).sum() * (math.pi / 400) / 2
        assert mass.item() == pytest.approx(((clean >= low) & (clean < high)).double().mean().item(), rel=5e-3)


@pytest.mark.parametrize("noise", [0.02, 0.1, 1.0])
def test_gaussian_moons_density_is_the_mean_over_angles(noise):
    """100,000 midpoints of the angle: what is left of their error is second order in the spacing over the noise."""
    x = GaussianMoons(noise).sample(20, generator=generator_from(2)).double()
    angle = (torch.arange(100_000, dtype=torch.float64) + 0.5) * (math.pi / 100_000)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    mean = sum((-(x[:, None] - c).square().sum(2) / (2 * noise**2)).exp().mean(1) / 2 for c in (upper, lower))
    expected = mean.log() - math.log(2 * math.pi * noise**2)
    torch.testing.assert_close(GaussianMoons(noise).log_prob(x), expected, rtol=0, atol=1e-6)


def test_funnel_is_a_scale_mixture():
    funnel = Funnel(dim=3, std=1.5)
    x = funnel.sample(N, generator=generator_from(0)).double()
    z = torch.cat([x[:, :1] / 1.5, x[:, 1:] * (-x[:, :1] / 2).exp()], 1)
    assert (z.mean(0).abs() < 5 / math.sqrt(N)).all()
    assert ((z.T @ z / N - torch.eye(3, dtype=torch.float64)).abs() < 5 * math.sqrt(2 / N)).all()
    # change of variables from z: the Jacobian of x(z) has determinant 1.5 exp(x1)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    assert torch.allclose(funnel.log_prob(x), normal - math.log(1.5) - x[:, 0], atol=1e-9)


def test_gaussian_density_is_torch_s():
    gaussian, x = Gaussian(dim=3, mean=-1.0, std=2.0), torch.randn(10, 3, generator=generator_from(0))
    expected = torch.distributions.Normal(-1.0, 2.0).log_prob(x).sum(1)
    assert torch.allclose(gaussian.log_prob(x), expected, atol=1e-6)


def test_densities_far_away_are_low_and_not_nan():
    far = torch.tensor([[1e3, -1e3], [0.0, 50.0]])
    for toy in (EightGaussians(), Rings(), Moons(), Checkerboard()):
        value = toy.log_prob(far)
        assert not value.isnan().any()
        assert (value < -1e3).all()


def test_labels_name_the_places():
    generator = generator_from(9)
    x, label = EightGaussians().sample_labelled(2000, generator=generator)
    angle = 2 * math.pi / 8 * label
    centre = 5 * torch.stack([angle.cos(), angle.sin()], 1)
    assert ((x - centre).norm(dim=1) < 5 * 0.1**0.25).all()
    x, label = Rings(noise=1e-3).sample_labelled(2000, generator=generator)
    assert torch.allclose(x.norm(dim=1), 0.75 * (label + 1), atol=0.01)
    x, label = Moons().sample_labelled(2000, generator=generator)
    assert x[label == 0, 1].min() >= -1  # 3 * 0 - 1
    assert x[label == 1, 1].max() <= 3 * (0.5 + 0.2) - 1
    x, label = Checkerboard().sample_labelled(2000, generator=generator)
    assert len(torch.unique(torch.cat([(x / 2).floor(), label[:, None]], 1), dim=0)) == 8
    x, label = Spirals(noise=0.0).sample_labelled(2000, generator=generator)
    turn = 3 * x.norm(dim=1)
    assert torch.allclose((1 - 2 * label) * turn.sin() * turn / 3, x[:, 1], atol=1e-3)


def test_pinwheel_blades_are_rotations_of_each_other():
    x, label = Pinwheel(blades=4).sample_labelled(N, generator=generator_from(0))
    first, second = x[label == 0], x[label == 1]
    # the next blade is a quarter turn clockwise: (x, y) -> (y, -x)
    turned = torch.stack([first[:, 1], -first[:, 0]], 1)
    for k in range(2):
        assert ks_2samp(turned[:, k].numpy(), second[:, k].numpy()).pvalue > 1e-4
    assert ks_2samp(first[:, 0].numpy(), second[:, 0].numpy()).pvalue < 1e-10


def test_pinwheel_blades_turn_with_the_exponential_of_their_length():
    # without width a point at distance 2 r lies at the angle -2 pi k / 5 - exp(r) / 4; r <= 0 has chance 4e-4
    x, label = Pinwheel(tangential_std=1e-7).sample_labelled(1000, generator=generator_from(0))
    turn = torch.atan2(x[:, 1], x[:, 0]) + 2 * math.pi / 5 * label + 0.25 * (x.norm(dim=1) / 2).exp()
    assert ((turn.cos() - 1).abs() < 1e-5).sum() > 990


def test_s_curve_is_scikit_learn_s():
    from sklearn.datasets import make_s_curve

    theirs = make_s_curve(20_000, noise=0.1, random_state=0)[0][:, [0, 2]]
    ours = SCurve().sample(20_000, generator=generator_from(0)).numpy()
    for project in (lambda x: x[:, 0], lambda x: x[:, 1], lambda x: x[:, 0] * x[:, 1], lambda x: np.hypot(*x.T)):
        assert ks_2samp(project(ours), project(theirs)).pvalue > 1e-4
    assert theirs.std() == pytest.approx(SCurve().spread, rel=0.01)


def test_eight_gaussians_are_torchcfm_s(monkeypatch):
    pytest.importorskip("torchcfm")
    # torchcfm.utils imports torchdyn for its moons; this sampler needs nothing of it
    datasets = ModuleType("torchdyn.datasets")
    datasets.generate_moons = None
    monkeypatch.setitem(sys.modules, "torchdyn", ModuleType("torchdyn"))
    monkeypatch.setitem(sys.modules, "torchdyn.datasets", datasets)
    monkeypatch.delitem(sys.modules, "torchcfm.utils", raising=False)
    from torchcfm.utils import sample_8gaussians

    monkeypatch.delitem(sys.modules, "torchcfm.utils")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = sample_8gaussians(4000).numpy()
    ours = EightGaussians().sample(4000, generator=generator_from(0)).numpy()
    for project in (lambda x: x[:, 0], lambda x: x[:, 1], lambda x: x[:, 0] + 2 * x[:, 1], lambda x: np.hypot(*x.T)):
        assert ks_2samp(project(ours), project(theirs)).pvalue > 1e-4
    narrow = EightGaussians(std=math.sqrt(0.1)).sample(4000, generator=generator_from(0)).numpy()
    assert ks_2samp(np.hypot(*narrow.T), np.hypot(*theirs.T)).pvalue < 1e-10


@pytest.mark.parametrize(
    "build",
    [
        lambda: Checkerboard(cells=3),
        lambda: Checkerboard(side=0.0),
        lambda: EightGaussians(std=0.0),
        lambda: Funnel(dim=1),
        lambda: Gaussian(std=-1.0),
        lambda: GaussianMoons(noise=0.0),
        lambda: Moons(noise=0.0),
        lambda: Pinwheel(blades=0),
        lambda: Pinwheel(radial_std=0.0),
        lambda: Rings(count=0),
        lambda: Rings(noise=0.0),
        lambda: SCurve(scale=0.0),
        lambda: Spirals(turns=0.0),
    ],
)
def test_bad_arguments_are_refused(build):
    with pytest.raises(InvalidInput, match=r"expected|needs|want"):
        build()


@pytest.mark.parametrize("law", [BoxFaces(3), PolytopeMixture(), BallMixture()], ids=lambda law: type(law).__name__)
def test_constrained_mixtures_are_inside_and_press_at_the_walls(law):
    x = law.sample(4000, generator=generator_from(0))
    assert law.space.contains(x).all()
    # moved outwards by a tenth of its size the domain loses a good part of them
    assert law.space.contains(1.1 * x).double().mean() < 0.95


def test_the_polytope_of_the_mixture_holds_the_ball_it_promises():
    space = PolytopeMixture().space
    assert space.radius == pytest.approx(2.0)
    assert len(space.normals) == 30
    # bounded: far steps in any direction meet a face
    far = 1e3 * torch.nn.functional.normalize(torch.randn(2000, 10, generator=generator_from(0)), dim=1)
    assert not space.contains(far).any()


def test_draws_that_stay_outside_are_no_draws():
    with pytest.raises(InvalidInput, match="stayed outside after"):
        PolytopeMixture(variance=1e4).sample(10, generator=generator_from(0))
