"""DDIM keeps the marginals whatever its churn, as steps become small; Remix does not. On Gaussians both are exact."""

import math

import pytest
import torch

from pushforward.core import Estimate, Incompatible, InvalidInput, align
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import (
    Affine,
    CondOT,
    Constant,
    Cosine,
    LinearVP,
    Polynomial,
    VarianceExploding,
    VariancePreserving,
)
from pushforward.solvers import DDIM, DPMSolverPP, Remix, Stochastic, draws_noise, solve
from pushforward.spaces import Euclidean, StudentT

PATHS = {
    "straight": Affine(CondOT()),
    "vp": Affine(VariancePreserving()),
    "linear-vp": Affine(LinearVP()),
    "ve": Affine(VarianceExploding()),
    "from-rest": Affine(Polynomial(2.0)),  # W = 0 at t = 0
}
on_paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
churns = pytest.mark.parametrize("churn", [0.0, 0.3, 1.0, lambda t: t], ids=["0", "0.3", "1", "t"])


def normal(path, variance=1.0):
    return GaussianMixture([[0.0]], [[[variance]]], [1.0]).along(path)


def grid(steps, reverse=False):
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return times.flip(0) if reverse else times


def propagate(solver, exact, times):
    """The variance at every time: a step is linear in the state, and its law tells factor and noise."""
    c = exact.path.coeffs(times[:1])
    found = [float(exact.mixture.covariances[0, 0, 0] * c.alpha**2 + c.sigma**2)]
    unit = torch.ones(len(times) - 1, 1, dtype=torch.float64)
    law = solver.law(exact, unit, times[:-1], times[1:])  # all steps at once
    for factor, std in zip(law.mean[:, 0].tolist(), law.std.tolist(), strict=True):
        found.append(factor**2 * found[-1] + std**2)
    return torch.tensor(found, dtype=torch.float64)


@on_paths
@churns
def test_the_variance_is_that_of_the_recursion_in_closed_form(path, churn):
    """From alpha, sigma and the variance v alone: x -> (alpha' A + k B) x + c z with A = alpha S / v, B = sigma / v."""
    times, data = grid(12), 0.49
    a, b = (torch.stack(list(path.coeffs(times)))[i].tolist() for i in (0, 1))
    expected = [data * a[0] ** 2 + b[0] ** 2]
    for i in range(12):
        v, eta = data * a[i] ** 2 + b[i] ** 2, churn(times[i + 1]).item() if callable(churn) else churn
        # the posterior variance of x' given x and the datum, as in DDPM: sigma'^2 (1 - snr / snr')
        snr = (a[i] / b[i]) ** 2 * (b[i + 1] / a[i + 1]) ** 2
        c2 = eta**2 * b[i + 1] ** 2 * (1 - snr)
        gain = a[i + 1] * a[i] * data / v + math.sqrt(max(b[i + 1] ** 2 - c2, 0.0)) * b[i] / v
        expected.append(gain**2 * expected[-1] + c2)
    found = propagate(DDIM(path, churn), normal(path, data), times)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@on_paths
@churns
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_the_marginals_stay_as_steps_become_small(path, churn, reverse):
    exact, errors = normal(path, 0.49), []
    for steps in (400, 1600):
        times = grid(steps, reverse)
        c = path.coeffs(times)
        marginal = 0.49 * c.alpha**2 + c.sigma**2
        errors.append((propagate(DDIM(path, churn), exact, times) / marginal - 1).abs().max())
    assert errors[1] < 0.04
    # at least as fast as the root of the step, where sigma falls like one; exact backwards under full churn
    assert errors[1] < max(0.6 * errors[0], 1e-12)


@pytest.mark.parametrize(("steps", "value"), [(28, 0.7089), (200, 0.6953), (2000, 0.6408)])
def test_remix_does_not_keep_them_however_small_the_steps(steps, value):
    """The values of FlowDPS's refresh on N(0, 1), which fall with the number of steps; the flow's rise to one."""
    path = PATHS["straight"]
    remix = propagate(Remix(path, lambda t: t), normal(path), grid(steps))[-1].item()
    assert remix == pytest.approx(value, abs=6e-5)
    flow = propagate(DDIM(path), normal(path), grid(steps))[-1].item()
    assert flow == pytest.approx({28: 0.9122, 200: 0.9872, 2000: 0.9987}[steps], abs=6e-5)


def test_a_step_of_no_length_leaves_the_law_under_ddim_and_not_under_remix():
    """With share e the variance v becomes (alpha^2 + sigma^2 sqrt(1 - e))^2 / v + e sigma^2, even if t = s."""
    path, t = PATHS["straight"], torch.tensor([0.4], dtype=torch.float64)
    exact, v, x = normal(path), 0.4**2 + 0.6**2, torch.ones(1, 1, dtype=torch.float64)
    law = DDIM(path, 1.0).law(exact, x, t, t)
    assert (law.mean.item(), law.std.item()) == (1.0, 0.0)
    law = Remix(path, 0.5).law(exact, x, t, t)
    expected = (0.4**2 + 0.6**2 * 0.5**0.5) ** 2 / v + 0.5 * 0.6**2
    assert (law.mean**2 * v + law.std**2).item() == pytest.approx(expected, abs=1e-12)
    assert expected < v - 0.009


@on_paths
def test_full_churn_is_the_exact_kernel_that_freezes_the_data_prediction(path, starts):
    """x' = (sigma'/sigma) e^-h x + alpha' (1 - e^-2h) D + sigma' sqrt(1 - e^-2h) z, on all paths; DDPM's on VP."""
    exact = reference_mixture().along(path)
    s, t = torch.full((6,), 0.3, dtype=torch.float64), torch.full((6,), 0.55, dtype=torch.float64)
    a, b, (data, _) = path.coeffs(s), path.coeffs(t), path.estimate(exact(starts, s), starts, s)
    decay = align((a.alpha / a.sigma) / (b.alpha / b.sigma), starts)
    mean = align(b.sigma / a.sigma, starts) * decay * starts + align(b.alpha, starts) * (1 - decay**2) * data
    law = DDIM(path, 1.0).law(exact, starts, s, t)
    torch.testing.assert_close(law.mean, mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(law.std, b.sigma * (1 - decay[:, 0] ** 2).sqrt(), rtol=1e-12, atol=1e-12)
    if path in (PATHS["vp"], PATHS["linear-vp"]):  # the paper's own form, with its cumulated alphas
        past, now = a.alpha**2, b.alpha**2
        paper = ((1 - now) / (1 - past)).sqrt() * (1 - past / now).sqrt()
        torch.testing.assert_close(law.std, paper, rtol=1e-12, atol=1e-12)


@on_paths
def test_full_churn_backwards_adds_noise_and_asks_nobody(path, starts):
    """The kernel of x_t given x_s for less signal: alpha'/alpha x, and the rest of the variance; D does not matter."""
    s, t = torch.full((6,), 0.7, dtype=torch.float64), torch.full((6,), 0.2, dtype=torch.float64)
    a, b = path.coeffs(s), path.coeffs(t)
    ratio = b.alpha / a.alpha
    for wild in (0.0, 3.0):
        seen = lambda x, t, cond=None: path.from_endpoint(wild * torch.ones_like(x), x, t)  # noqa: B023
        law = DDIM(path, 1.0).law(seen, starts, s, t)
        torch.testing.assert_close(law.mean, align(ratio, starts) * starts, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(law.std, (b.sigma**2 - (ratio * a.sigma) ** 2).sqrt(), rtol=1e-12, atol=1e-12)


def test_without_churn_it_is_the_first_order_exponential_step(starts):
    path = Affine(Cosine())
    exact, times = reference_mixture().along(path), grid(9)
    flow = solve(exact, starts, times, solver=DPMSolverPP(path, 1)).x
    torch.testing.assert_close(solve(exact, starts, times, solver=DDIM(path)).x, flow, rtol=1e-10, atol=1e-10)


@on_paths
@pytest.mark.parametrize("solver", [DDIM, Remix])
def test_both_ends_are_finite_and_one_point_of_data_is_reached(path, solver):
    point = torch.tensor([[0.5, -2.0]], dtype=torch.float64)
    seen = lambda x, t, cond=None: path.from_endpoint(point.expand_as(x), x, t)
    times, generator = grid(5), torch.Generator().manual_seed(0)
    x0 = path.coeffs(times[:1]).sigma * torch.randn(5, 2, generator=generator, dtype=torch.float64)
    x = solve(seen, x0, times, solver=solver(path, 0.5), generator=generator).x
    noise = float(path.coeffs(times[-1:]).sigma)
    assert ((x - point).abs() <= 1e-9 + 6 * noise).all()


def test_moments_on_the_mixture(mixture):
    """All of the law, not only its variance: six means, after 100 steps with churn, within their Monte-Carlo error."""
    n, generator = 5000, torch.Generator().manual_seed(7)
    x = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    x = solve(mixture, x, grid(100), solver=DDIM(mixture.path, 0.8), generator=generator).x
    fresh = mixture.sample(200_000, 1.0, generator=generator)
    looks = lambda a, b: torch.stack([a, b, a * a, b * b, a * b, (2 * a).cos()])
    got, expected = looks(*x.T), looks(*fresh.T)
    error = (got.var(1) / n + expected.var(1) / len(fresh)).sqrt()
    bias = 2 / 100 * expected.std(1)  # of order 1 in the step, as the recursions above have it on a Gaussian
    assert ((got.mean(1) - expected.mean(1)).abs() < 4 * error + bias).all()


@pytest.mark.parametrize("solver", [DDIM, Remix])
def test_the_law_of_a_step_is_that_of_its_samples(solver, mixture):
    n, path = 40_000, mixture.path
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64).repeat(n, 1)
    s, t = (torch.full((n,), r, dtype=torch.float64) for r in (0.5, 0.6))
    step = solver(path, 0.7).step(mixture, x, s, t, generator=torch.Generator().manual_seed(5))
    z = (step.x - step.law.mean) / step.law.std[:, None]
    assert (z.mean(0).abs() < 4 / n**0.5).all()
    assert ((z.var(0) - 1).abs() < 4 * (2 / n) ** 0.5).all()
    again = solver(path, 0.7).step(mixture, x, s, t, generator=torch.Generator().manual_seed(5))
    assert torch.equal(step.x, again.x)


def test_guided_ends_are_put_together_as_they_are(starts):
    """An estimator that moves x1 and keeps x0: the move enters with all of alpha."""
    path, s, t = PATHS["straight"], torch.full((6,), 0.4).double(), torch.full((6,), 0.5).double()
    plain = lambda x, t, cond=None: Estimate(x1=0 * x, x0=x)
    moved = lambda x, t, cond=None: Estimate(x1=0 * x + 2.0, x0=x)
    for solver in (DDIM(path), Remix(path, 0.0)):
        a, b = (solver.step(dynamics, starts, s, t).x for dynamics in (plain, moved))
        torch.testing.assert_close(b - a, torch.full_like(a, 1.0))


def test_mappings_dtypes_and_rows(starts):
    path = PATHS["straight"]
    field = lambda x, t, cond=None: {k: v.sin() for k, v in x.items()}
    x = {"a": starts[:, 0].bfloat16(), "b": starts[:, :, None].float()}
    y = solve(field, x, [0.0, 0.5, 1.0], solver=DDIM(path, 0.5), generator=torch.Generator().manual_seed(0)).x
    assert {k: (v.shape, v.dtype) for k, v in y.items()} == {k: (v.shape, v.dtype) for k, v in x.items()}
    assert all(v.isfinite().all() for v in y.values())


def test_what_draws_says_so():
    path = PATHS["straight"]
    assert not isinstance(DDIM(path, 1.0), Stochastic)  # it brings its noise, and follows no equation
    assert [draws_noise(DDIM(path, e)) for e in (0.0, 0.1, lambda t: t)] == [False, True, True]
    assert draws_noise(Remix(path, 0.1))
    assert not draws_noise(DPMSolverPP(path))


@pytest.mark.parametrize("solver", [DDIM, Remix])
def test_refuses(solver):
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidInput, match=r"churn is .*, expected a number in \[0, 1\]"):
            solver(PATHS["straight"], share)
    with pytest.raises(Incompatible, match="latent noise"):
        solver(Affine(latent=Constant(0.1)), 0.5)


def test_refuses_to_churn_noise_that_is_not_normal():
    heavy = Affine(VarianceExploding(), space=Euclidean(StudentT(4.0)))
    with pytest.raises(Incompatible, match="DDIM churns normal noise, and the path's space has StudentT"):
        DDIM(heavy, 0.5)
    assert DDIM(heavy)
