"""DPM-Solver++ and UniPC: orders, what they integrate exactly, both ends of a path, and what they refuse."""

import itertools
import math

import pytest
import torch

from pushforward.core import Estimate, Incompatible, InvalidInput
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT, Constant, Cosine, VarianceExploding, VariancePreserving
from pushforward.solvers import RK4, Dopri5, DPMSolverPP, Euler, EulerMaruyama, Heun, UniPC, grids, solve
from pushforward.solvers.exponential import moments

STRAIGHT, VP = Affine(CondOT()), Affine(VariancePreserving())
METHODS = {  # keywords, order once started
    "dpm-1": (DPMSolverPP, {"order": 1}, 1),
    "dpm-2m": (DPMSolverPP, {"order": 2}, 2),
    "dpm-3m": (DPMSolverPP, {"order": 3, "starter": RK4()}, 3),
    "unipc-1": (UniPC, {"order": 1}, 2),  # what arrives is a prediction, from a corrected state
    "unipc-2": (UniPC, {"order": 2}, 3),
    "unipc-2-h": (UniPC, {"order": 2, "expm1": False}, 3),
    "unipc-3": (UniPC, {"order": 3, "starter": RK4()}, 4),
}
every = pytest.mark.parametrize(("kind", "fields", "order"), METHODS.values(), ids=METHODS)
PATHS = {"straight": (STRAIGHT, (0.05, 0.95)), "vp": (VP, (0.2, 0.98))}
# what differs between paths is tried with one of each kind there
both = pytest.mark.parametrize(
    ("kind", "fields", "order", "name"),
    [(*METHODS[m], "straight") for m in METHODS] + [(*METHODS[m], "vp") for m in ("dpm-3m", "unipc-2")],
    ids=[*METHODS, "vp-dpm-3m", "vp-unipc-2"],
)


@pytest.fixture(scope="module")
def truth():
    """Three rows of the mixture at both ends of the spans, by 200 steps of order five."""
    x = torch.tensor([[0.8, 0.2], [-1.4, 1.0], [0.1, -1.3]], dtype=torch.float64)
    found = {}
    for name, (path, span) in PATHS.items():
        exact = reference_mixture().along(path)
        end = solve(exact, x, torch.linspace(*span, 201, dtype=torch.float64), solver=Dopri5(controller=None)).x
        found[name] = exact, x, end
    return found


@both
def test_order_on_steps_that_are_equal_in_log_snr(kind, fields, order, name, truth):
    (path, span), (exact, x, end) = PATHS[name], truth[name]
    errors = []
    for steps in (96, 192):
        times = grids.LogSNR()(steps, span=span, path=path)
        solution = solve(exact, x, times, solver=kind(path, **fields))
        errors.append((solution.x - end).abs().max())
        extra = 3 * (order - 1 if kind is DPMSolverPP else fields["order"] - 1) if fields.get("starter") else 0
        assert solution.nfe == steps + extra
    # the ratio of halved steps is 2^order (1 + O(h))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_the_published_start_keeps_order_two_of_3m(truth):
    exact, x, end = truth["straight"]
    times = [torch.linspace(0.05, 0.95, k + 1, dtype=torch.float64) for k in (192, 384)]
    coarse, fine = ((solve(exact, x, t, solver=DPMSolverPP(STRAIGHT, 3)).x - end).abs().max() for t in times)
    assert math.log2(coarse / fine) == pytest.approx(2, abs=0.15)


@pytest.fixture(scope="module")
def arrived(mixture):
    """Six rows at t = 0 and at t = 1."""
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return x, solve(mixture, x, torch.linspace(0, 1, 101, dtype=torch.float64), solver=Dopri5(controller=None)).x


@every
def test_order_two_remains_from_end_to_end(kind, fields, order, mixture, arrived):
    """Steps of 1 / K next to an infinite lambda do not become small in it: a few local errors of h^2 remain."""
    times = [torch.linspace(0, 1, k + 1, dtype=torch.float64) for k in (48, 96)]
    x, end = arrived
    coarse, fine = ((solve(mixture, x, t, solver=kind(STRAIGHT, **fields)).x - end).abs().max() for t in times)
    assert math.log2(coarse / fine) > min(order, 2) - 0.3  # log K / K^2 for 2M and UniPC-1, whose constant grows


def data_field(path, coefficients):
    """The velocity, and the exact map, of a data prediction that is a polynomial of lambda alone."""

    def prediction(t):
        c = path.coeffs(t)
        return sum(a * (c.alpha / c.sigma).log() ** k for k, a in enumerate(coefficients))

    def field(x, t, cond=None):
        c = path.coeffs(t)
        return (c.d_sigma / c.sigma)[:, None] * x + (c.wronskian / c.sigma * prediction(t))[:, None]

    def exact(x, s, t):
        # by parts: the integral of e^l p(l) is e^l (p - p' + p'' - ...)
        ends = [path.coeffs(r) for r in (s, t)]
        values = []
        for c in ends:
            rho, p, total, sign = c.alpha / c.sigma, list(coefficients), 0.0, 1.0
            while p:
                total = total + sign * sum(a * rho.log() ** k for k, a in enumerate(p))
                p, sign = [k * a for k, a in enumerate(p)][1:], -sign
            values.append(rho * total)
        return ends[1].sigma[:, None] * (x / ends[0].sigma[:, None] + (values[1] - values[0])[:, None])

    return field, exact


EXACT = {  # and the number of coefficients that the polynomial may have
    "dpm-1": (DPMSolverPP, {"order": 1}, 1),
    "dpm-3m": (DPMSolverPP, {"order": 3}, 3),
    "unipc-1": (UniPC, {"order": 1}, 1),
    "unipc-2": (UniPC, {"order": 2}, 3),
    "unipc-3": (UniPC, {"order": 3}, 4),
}


@pytest.mark.parametrize(("kind", "fields", "number"), EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("path", [STRAIGHT, VP, Affine(Cosine())], ids=["straight", "vp", "cosine"])
def test_exact_where_the_data_prediction_is_a_polynomial_of_log_snr(kind, fields, number, path):
    """Once started, at unequal times; a last step of no length lets UniPC correct. 2M has other, published weights."""
    solver, carry = kind(path, **fields), None
    times = torch.tensor([0.3, 0.33, 0.39, 0.42, 0.5, 0.62, 0.66, 0.66], dtype=torch.float64)
    field, exact = data_field(path, [0.7, -0.4, 0.3, 0.2][:number])
    x = start = torch.tensor([[0.3], [-1.2]], dtype=torch.float64)
    for i, (s, t) in enumerate(itertools.pairwise(times.repeat(2, 1).T)):
        if i < 3:  # a start of exact values, and no prediction to correct
            x = exact(start, times[:1].repeat(2), s)
            carry = carry._replace(leg=None) if isinstance(solver, UniPC) and carry is not None else carry
        step = solver.step(field, x, s, t, carry=carry)
        x, carry = step.x, step.carry
    torch.testing.assert_close(x, exact(start, times[:1].repeat(2), t), rtol=1e-12, atol=1e-12)


def test_the_published_3m_loses_half_of_its_last_term():
    """Its update as authors and libraries write it, on D = lambda^2: off by h^3, where ours is exact (above)."""
    errors = []
    for h in (0.1, 0.05):
        _, exact = data_field(STRAIGHT, [0.0, 0.0, 1.0])
        times = torch.tensor([-2 * h, -h, 0.0, h], dtype=torch.float64).sigmoid()
        first, _, s, t = (time[None] for time in times)
        x = exact(torch.zeros(1, 1, dtype=torch.float64), first, s)
        m0, m1, m2 = 0.0, h**2, 4 * h**2  # D at 0, -h and -2h; equal steps, so r0 = r1 = 1
        d1_0, d1_1 = m0 - m1, m1 - m2
        d1, d2 = d1_0 + 0.5 * (d1_0 - d1_1), 0.5 * (d1_0 - d1_1)
        phi_1 = math.expm1(-h)
        phi_2 = phi_1 / h + 1
        phi_3 = phi_2 / h - 0.5
        update = lambda last: (1 - t) / (1 - s) * x + t * (-phi_1 * m0 + phi_2 * d1 - last * phi_3 * d2)  # noqa: B023
        truth = exact(torch.zeros(1, 1, dtype=torch.float64), first, t)
        errors.append((update(1) - truth).abs().item())
        torch.testing.assert_close(update(2), truth, rtol=0, atol=1e-12)
    assert math.log2(errors[0] / errors[1]) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("kind", [DPMSolverPP, UniPC])
def test_a_step_that_is_much_longer_than_the_one_before_is_not_extrapolated(kind, mixture, starts):
    """Three times the length in lambda is where the polynomial is let go: then D stays, as in order 1."""
    times = torch.tensor([-0.3, 0.0, 0.8, 3.3], dtype=torch.float64).sigmoid()  # lambda = logit(t)
    s, m, near, far = (t.repeat(6) for t in times)
    plain = DPMSolverPP(STRAIGHT, 1)
    for order in (2, 3):
        solver = kind(STRAIGHT, order)
        carry = solver.step(mixture, starts, s, m).carry
        carry = carry._replace(leg=None) if kind is UniPC else carry
        assert not torch.allclose(
            solver.step(mixture, starts, m, near, carry=carry).x, plain.step(mixture, starts, m, near).x
        )
        far_step = solver.step(mixture, starts, m, far, carry=carry).x
        torch.testing.assert_close(far_step, plain.step(mixture, starts, m, far).x, rtol=1e-12, atol=1e-12)


def test_2m_is_exact_for_lines_up_to_the_cube_of_the_step():
    errors = []
    for h in (0.1, 0.05):
        field, exact = data_field(STRAIGHT, [0.0, 1.0])
        times = torch.tensor([-h, 0.0, h], dtype=torch.float64).sigmoid()  # lambda = logit(t)
        r, s, t = (time[None] for time in times)
        x = torch.zeros(1, 1, dtype=torch.float64)
        carry = DPMSolverPP(STRAIGHT).step(field, x, r, s).carry
        y = DPMSolverPP(STRAIGHT).step(field, exact(x, r, s), s, t, carry=carry).x
        errors.append((y - exact(x, r, t)).abs().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(3, abs=0.1)


def test_first_order_is_euler_on_straight_paths(mixture, starts):
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    for back in (times, times.flip(0)):
        expected = solve(mixture, starts, back, solver=Euler()).x
        torch.testing.assert_close(solve(mixture, starts, back, solver=DPMSolverPP(STRAIGHT, 1)).x, expected)


@every
def test_an_end_that_rounding_keeps_from_zero_is_one(kind, fields, order, arrived):
    """cos(pi / 2) is 6e-17, whose logarithm is finite: no polynomial is drawn out to there, on either way."""
    path = Affine(Cosine())
    exact, times, (x, end) = reference_mixture().along(path), grids.Uniform()(48), arrived
    there = solve(exact, x, times, solver=kind(path, **fields)).x
    assert (there - end).abs().max() < (0.1 if order == 1 else 0.01)  # the flow map is that of every path
    back = solve(exact, there, times.flip(0), solver=kind(path, **fields)).x
    assert (back - x).abs().max() < (0.3 if order == 1 else 0.03)


@every
@pytest.mark.parametrize("path", [STRAIGHT, VP, Affine(VarianceExploding())], ids=["straight", "vp", "ve"])
def test_one_point_of_data_is_reached_at_once(kind, fields, order, path):
    """D is the point whatever x: every step is exact, to the very end, where sigma may be 0."""
    point = torch.tensor([[0.5, -2.0]], dtype=torch.float64)
    seen = lambda x, t, cond=None: path.from_endpoint(point.expand_as(x), x, t)
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    times = torch.tensor([0.0, 0.1, 0.35, 0.4, 0.8, 1.0], dtype=torch.float64)
    c = path.coeffs(times[:, None])
    expected = c.alpha[..., None] * point + c.sigma[..., None] * x0
    found = solve(seen, expected[0], times, solver=kind(path, **{**fields, "starter": None}), save=True)
    torch.testing.assert_close(found.xs, expected, rtol=1e-9, atol=1e-9)


@every
def test_a_field_and_the_estimator_of_its_ends_are_followed_alike(kind, fields, order, mixture, starts):
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    seen = lambda x, t, cond=None: Estimate(x1=mixture.endpoint(x, t), x0=mixture.noise(x, t))
    a, b = (solve(dynamics, starts, times, solver=kind(STRAIGHT, **fields)).x for dynamics in (mixture, seen))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@both
def test_the_way_back_from_where_there_is_no_noise(kind, fields, order, name, starts):
    path = PATHS[name][0]
    exact, times = reference_mixture().along(path), grids.LogSNR()(64, path=path)
    there = solve(exact, starts, times, solver=kind(path, **fields)).x
    back = solve(exact, there, times.flip(0), solver=kind(path, **fields)).x
    # h = 0.21 in lambda: h / 2 and h^2 / 2, up to the flow's constant
    assert (back - starts).abs().max() < (0.3 if order == 1 else 0.03)


def test_moments_are_the_integrals():
    h = torch.tensor([-6.0, -1.0, -0.999, -1e-3, 0.0, 1e-8, 0.02, 0.7, 1.0, 1.3, 9.0, 40.0], dtype=torch.float64)
    found = torch.stack(moments(h, 4))
    theta = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for i in range(4):
        expected = (h[:, None] * (h[:, None] * (theta - 1)).exp() * theta**i).mean(1)
        # the midpoint rule errs by f' / (24 n^2): h^2 e^|h| and more; rounding is far below
        slack = 1e-9 * (1 + h.abs()).square() * (-h).exp().clamp_min(1.0)
        assert ((found[i] - expected).abs() <= slack).all()
    close = torch.stack(moments(torch.tensor([1 - 1e-12, 1 + 1e-12], dtype=torch.float64), 4))
    torch.testing.assert_close(close[:, 0], close[:, 1], rtol=1e-11, atol=0)  # where the two recursions meet


@every
def test_single_precision_and_half_states(kind, fields, order, mixture, starts):
    times, solver = grids.LogSNR()(16, path=STRAIGHT), kind(STRAIGHT, **fields)
    exact = solve(mixture, starts, times, solver=solver).x
    single = solve(mixture, starts.float(), times, solver=solver).x
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-4)
    half = solve(mixture, starts.bfloat16(), times, solver=solver).x
    assert half.dtype == torch.bfloat16
    assert (half.double() - exact).abs().max() < 0.3  # 16 roundings of 2^-8, stretched by the flow


@pytest.mark.parametrize("kind", [DPMSolverPP, UniPC])
def test_refuses(kind):
    class Walk:
        space = None

        def sample(self, pairs, t, *, generator=None): ...
        def velocity(self, point): ...

    with pytest.raises(Incompatible, match=rf"{kind.__name__} steps in alpha and sigma of an affine path, got Walk"):
        kind(Walk())
    with pytest.raises(Incompatible, match=r"latent noise \(Constant\) does not allow"):
        kind(Affine(latent=Constant(0.1)))
    for order in (0, 4):
        with pytest.raises(InvalidInput, match=f"the orders 1, 2 and 3, got order={order}"):
            kind(STRAIGHT, order)
    with pytest.raises(InvalidInput, match="expected a one-step method with a tableau"):
        kind(STRAIGHT, 2, starter=EulerMaruyama())
    assert kind(STRAIGHT, 2, starter=Heun())


def test_starters_of_too_low_an_order_are_refused():
    with pytest.raises(InvalidInput, match="UniPC of order 3 needs a starter of order 3 at least, got Heun of order 2"):
        UniPC(STRAIGHT, 3, starter=Heun())
    assert DPMSolverPP(STRAIGHT, 3, starter=Heun())
