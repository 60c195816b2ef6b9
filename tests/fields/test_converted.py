"""The exact field of CondOT, followed with noise on a variance-preserving path."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.fields import FlowSDE, Memoryless, PowerLaw, converted
from pushforward.metrics import wasserstein
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import Affine, Brownian, CondOT, Cosine, VariancePreserving
from pushforward.solvers import RK4, SRA1, solve
from pushforward.spaces import Euclidean, StudentT

OLD, VP = Affine(CondOT()), Affine(VariancePreserving())
LEVELS = {
    "none": torch.zeros_like,
    "weak": lambda t: VP.coeffs(t).sigma ** 2,
    "strong": lambda t: 5 * VP.coeffs(t).sigma ** 2,
    "square": PowerLaw(),
    "memoryless": Memoryless(VP, 0.005),
}


def gen(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def exact():
    return reference_mixture().along(OLD)


def visited(n=200):
    """Times of VP and states of it."""
    r = 0.05 + 0.9 * torch.rand(n, generator=gen(0), dtype=torch.float64)
    return reference_mixture().along(VP).sample(n, r, generator=gen(1)), r


@pytest.mark.parametrize("new", [VP, Affine(Cosine())], ids=["vp", "cosine"])
def test_drift_and_noise_are_those_of_the_new_paths_own_field(exact, new):
    x, r = visited()
    own = FlowSDE(reference_mixture().along(new), eps=lambda t: 1 + t)
    found = converted(exact, OLD, new, eps=lambda t: 1 + t)
    for way in (torch.ones_like(r), -torch.ones_like(r)):
        torch.testing.assert_close(found(x, r, direction=way), own(x, r, direction=way), rtol=1e-8, atol=1e-8)
    assert torch.equal(found.diffusion(r), own.diffusion(r))


def test_the_score_is_the_old_one_scaled(exact):
    """s(x / k, t) / k at t = alpha / (alpha + sigma), k = alpha + sigma: the equal ratio on straight lines."""
    (x, r), c = visited(), VP.coeffs(visited()[1])
    k, t = c.alpha + c.sigma, c.alpha / (c.alpha + c.sigma)
    sde, one = converted(exact, OLD, VP, eps=1.0), torch.ones_like(r)
    read = sde(x, r, direction=one) - sde(x, r)
    torch.testing.assert_close(read, exact.score(x / k[:, None], t) / k[:, None], rtol=1e-8, atol=1e-8)


def test_there_and_back_is_the_field_itself(exact):
    x, r = visited()
    there = converted(exact, OLD, VP).velocity
    t = VP.coeffs(r).alpha / (VP.coeffs(r).alpha + VP.coeffs(r).sigma)
    back = converted(there, VP, OLD)
    torch.testing.assert_close(back(x, t), exact(x, t), rtol=1e-9, atol=1e-9)


def test_the_flow_arrives_where_the_old_field_does(exact):
    """From and to states of the same ratio; the error of 100 steps of RK4, at rates of at most 10 on VP, is 1e-5."""
    r = torch.linspace(0, 0.999, 101, dtype=torch.float64)
    c = VP.coeffs(r)
    t, k = c.alpha / (c.alpha + c.sigma), c.alpha + c.sigma
    x0 = torch.randn(50, 2, generator=gen(2), dtype=torch.float64)
    straight = solve(exact, x0, torch.linspace(float(t[0]), float(t[-1]), 101).double(), solver=RK4()).x
    bent = solve(converted(exact, OLD, VP), k[0] * x0, r, solver=RK4()).x
    torch.testing.assert_close(bent / k[-1], straight, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def arrived(exact):
    """1200 rows after 200 steps at every level of noise: all of them in one batch."""
    levels, generator = LEVELS.values(), gen(3)
    sde = converted(
        exact, OLD, VP, lambda t: torch.cat([level(part) for level, part in zip(levels, t.split(1200), strict=True)])
    )
    x0 = torch.randn(1200 * len(levels), 2, generator=generator, dtype=torch.float64)
    times = torch.linspace(0, 0.999, 201, dtype=torch.float64)  # sigma is 0.01 there, far below the data's 0.4
    x = solve(sde, x0, times, solver=SRA1(), generator=generator).x
    return dict(zip(LEVELS, x.split(1200), strict=True))


@pytest.mark.parametrize("name", LEVELS)
def test_noise_of_any_level_leaves_the_marginals(arrived, name):
    """As far from fresh samples, 400 by 400, as these are from each other."""
    mixture, generator = reference_mixture(), gen(4)
    few = [mixture.sample(400, generator=generator) for _ in range(12)]
    floor = torch.tensor([wasserstein(a, b) for a, b in zip(few[::2], few[1::2], strict=True)])
    distances = torch.tensor([wasserstein(arrived[name][400 * i : 400 * (i + 1)], few[i]) for i in range(3)])
    assert distances.mean() < floor.mean() + 3 * floor.std() * (1 / 3 + 1 / 6) ** 0.5


def test_no_noise_is_added_where_the_old_path_has_ended():
    """On N(0, 1) every step is linear: x -> a x + sd z. sigma_1 = 0.3 is met at r = 0.73, and no score after it."""
    old, new = Affine(CondOT(0.3)), Affine(Cosine())
    sde = converted(GaussianMixture([[0.0]], [[[1.0]]]).along(old), old, new, eps=2.0)
    r, one = torch.linspace(0, 1, 5001, dtype=torch.float64), torch.ones(5000, 1, dtype=torch.float64)
    h = r.diff()
    gain = 1 + h * sde(one, r[:-1], direction=one[:, 0])[:, 0]
    added = h * sde.diffusion(r[:-1]).square()
    variance = 1.0
    for g, d in zip(gain.tolist(), added.tolist(), strict=True):
        variance = g**2 * variance + d
    # that of the old path at its end, as k = 1 there; Euler's error is about the step times eps / (1 + 0.3**2) = 2
    assert variance == pytest.approx(1 + 0.3**2, rel=4e-4)
    assert converted(lambda x, t, cond=None: x, old, new, eps=0.5).level(r[[0, -1]]).tolist() == [0.5, 0.0]
    with pytest.raises(InvalidInput, match="eps=-1"):
        converted(lambda x, t, cond=None: x, old, new, eps=-1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (OLD, Affine(latent=Brownian(1.0)), "with latent noise"),
        (OLD, Affine(space=Euclidean(StudentT(3.0))), "new has the noise"),
        (Affine(CondOT().__call__), VP, "changing the schedule needs old.time_at_snr"),
    ],
)
def test_paths_that_do_not_tell_are_refused(exact, old, new, message):
    with pytest.raises(Incompatible, match=message):
        converted(exact, old, new)
