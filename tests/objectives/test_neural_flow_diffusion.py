"""The bound against entropies, the loss against its closed form, and the process that is sampled."""

import math

import pytest
import torch
from torch import nn

from pushforward import Flow
from pushforward.config import parse
from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.metrics import curvature, wasserstein
from pushforward.nets import MLP
from pushforward.objectives import NeuralFlowDiffusion, NeuralPath, Stratified, Volatility
from pushforward.oracles import reference_mixture
from pushforward.solvers import EulerMaruyama, Heun, solve

MU, S = torch.tensor([0.7, -0.4]).double(), torch.tensor([[0.5, 0.2], [0.2, 0.3]]).double()
DELTA = 0.1
DEPTH = math.log(1 / DELTA)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(width=16, **given):
    return MLP((2,), width=width, activation="silu", **given)


def preconditioned(denoiser, delta=DELTA):
    """The network whose answer is `denoiser`, after EDM's preconditioning."""

    def net(z, t, cond=None):
        a, sigma = t[:, None], delta ** t[:, None]
        square = a**2 + sigma**2
        return (denoiser(z, t) * square - a * z) / (sigma * square.sqrt())

    return net


def exact_denoiser(z, t):
    """E[x1 | z] of N(MU, S) under z = t x1 + delta^t x0, along the axes of S."""
    (values, axes), a = torch.linalg.eigh(S), t[:, None]
    return MU + ((z - a * MU) @ axes * (a * values / (a**2 * values + DELTA ** (2 * a)))) @ axes.T


def batch(n, seed=0):
    generator = gen(seed)
    x0, z = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
    return Pairs((x0, MU + z @ torch.linalg.cholesky(S).T))


class Linear(nn.Module):
    """Constant in time, linear in x1."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, x1, t, cond=None):
        return x1 @ self.matrix.T


class Straight(nn.Module):
    """The scale that makes s = 1 - t of delta^t e^(t (1 - t) r)."""

    def forward(self, x1, t, cond=None):
        r = (torch.log1p(-t) + t * DEPTH) / (t * (1 - t))
        return r[:, None] + torch.zeros_like(x1)


def test_on_straight_lines_it_is_the_weighted_denoising_loss():
    process, n = NeuralPath(Linear(torch.zeros(2, 2).double()), Straight(), DELTA), 50
    pairs, t = batch(n), 0.02 + 0.96 * torch.rand(n, generator=gen(1), dtype=torch.float64)
    g = lambda t: 0.3 + t
    objective = NeuralFlowDiffusion(process, g, draw=lambda n, like, generator=None: t)
    net = lambda z, t, cond=None: torch.sin(3 * z) + t[:, None]
    a = t[:, None]
    z = a * pairs.x1 + (1 - a) * pairs.x0
    torch.testing.assert_close(process.sample(pairs, t).x, z)
    torch.testing.assert_close(process.motion(z, t, pairs.x1)[0], (pairs.x1 - z) / (1 - a))
    guess = objective.field(net).denoise(z, t)
    c = 1 / (1 - t) + g(t) ** 2 / 2 * t / (1 - t) ** 2  # W = 1
    expected = (c**2 * (pairs.x1 - guess).square().mean(1) / (2 * g(t) ** 2)).mean()
    torch.testing.assert_close(objective(net, pairs).terms["drift"], expected)


@pytest.mark.parametrize("g", [0.0, 0.5, 2.0])
def test_the_noise_leaves_the_covariances_of_a_linear_process(g):
    """z = A_t x1 + delta^t x0, A_t = t + t (1 - t) B: the drift M z + b has M C + C M' + g^2 I = dC, M m + b = dm."""
    B = torch.tensor([[0.5, -1.0], [0.3, 0.8]]).double()
    process = NeuralPath(Linear(B), Linear(0 * B), DELTA)
    A = lambda t: t * torch.eye(2).double() + t * (1 - t) * B
    law = lambda t: (A(t) @ MU, A(t) @ S @ A(t).T + DELTA ** (2 * t) * torch.eye(2).double())

    def denoiser(z, t):  # all rows at one time
        mean, C = law(t[0])
        return MU + torch.linalg.solve(C, (z - mean).T).T @ A(t[0]) @ S

    net = preconditioned(denoiser)
    field = NeuralFlowDiffusion(process, g or 1.0).field(net)
    x = torch.cat([torch.zeros(1, 2), torch.eye(2)]).double()
    for time in torch.tensor([0.1, 0.5, 0.9]).double():
        t = time.repeat(3)
        drift = field(x, t) if g == 0 else field(x, t, direction=torch.ones_like(t))
        b, M = drift[0], (drift[1:] - drift[0]).T
        (mean, C), (d_mean, d_C) = torch.func.jvp(law, (time,), (torch.ones_like(time),))
        torch.testing.assert_close(M @ C + C @ M.T + g**2 * torch.eye(2).double(), d_C, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(M @ mean + b, d_mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(field.diffusion(t), torch.full_like(t, g or 1.0))


def memoryless(t):
    return (2 * DELTA ** (2 * t) * (1 / t + DEPTH)).sqrt()


@pytest.mark.parametrize("g", [memoryless, lambda t: 0.5 + 0 * t], ids=["memoryless", "constant"])
def test_the_bound_is_above_the_entropy_by_what_theory_says(g):
    """Gaussian data, exact denoiser: by 1/2 log(1 + delta^2 / lambda) at the memoryless level, and elsewhere by
    int (A / g - g B / 2)^2 / 2 mmse dt more, A = W / sigma, B = alpha / sigma^2 (from c^2 / 2 g^2 - A B)."""
    n = 2000
    t = ((torch.arange(n) + 0.5) / n).double().repeat_interleave(8)
    objective = NeuralFlowDiffusion(NeuralPath.plain(DELTA), g, draw=lambda n, like, generator=None: t)
    # the loss is quadratic in its four normal numbers, so that eight points with their moments give its mean exactly
    corners = 2 * torch.cat([torch.eye(4), -torch.eye(4)]).double().repeat(n, 1)
    pairs = Pairs((corners[:, :2], MU + corners[:, 2:] @ torch.linalg.cholesky(S).T))
    found = 2 * objective(preconditioned(exact_denoiser), pairs).value
    values = torch.linalg.eigvalsh(S)
    entropy = 0.5 * (2 * math.pi * math.e * values).log().sum()
    t = (torch.arange(20000).double() + 0.5) / 20000
    sigma, A, B = DELTA**t, 1 + t * DEPTH, t / DELTA ** (2 * t)
    mmse = (values * sigma[:, None] ** 2 / (t[:, None] ** 2 * values + sigma[:, None] ** 2)).sum(1)
    surplus = ((A / g(t) - g(t) * B / 2).square() / 2 * mmse).mean()
    expected = entropy + 0.5 * torch.log1p(DELTA**2 / values).sum() + surplus
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # of the midpoint rule
    assert surplus < 1e-12 if g is memoryless else surplus > 0.1


def test_the_learned_volatility_starts_where_the_bound_is_tightest():
    """For the process without networks, whatever the denoiser: every row's term is stationary in g there."""
    level = Volatility(DELTA).double()
    t = torch.linspace(0.05, 1, 20, dtype=torch.float64)
    torch.testing.assert_close(level(t), memoryless(t))
    objective = NeuralFlowDiffusion(NeuralPath.plain(DELTA), level, draw=lambda n, like, generator=None: t)
    net = lambda z, t, cond=None: torch.sin(z)
    first = objective(net, batch(20)).value
    first.backward()
    assert level.last.bias.grad.abs() < 1e-10 * first
    for shift in (-0.3, 0.3):
        level.last.bias.data.fill_(shift)
        assert objective(net, batch(20)).value > first


def test_gradients_of_both_networks_are_those_of_the_value():
    """Nothing is detached: directional derivatives of net, process and volatility against difference quotients."""
    torch.manual_seed(0)
    net, process = smooth().double(), NeuralPath(smooth().double(), smooth().double(), delta=DELTA)
    objective = NeuralFlowDiffusion(process, Volatility(DELTA).double(), straightness=0.1)
    loss = lambda: objective(net, batch(16), generator=gen(3)).value
    for module in (net, process.mean, process.scale, objective.volatility):
        parameters = list(module.parameters())
        gradients = torch.autograd.grad(loss(), parameters)
        ways = [torch.randn(p.shape, generator=gen(4), dtype=p.dtype) for p in parameters]
        slope, h, values = sum((g * w).sum() for g, w in zip(gradients, ways, strict=True)), 1e-6, []
        for sign in (1, -2):
            with torch.no_grad():
                for p, w in zip(parameters, ways, strict=True):
                    p.add_(sign * h * w)
            values.append(loss().item())
        with torch.no_grad():
            for p, w in zip(parameters, ways, strict=True):
                p.add_(h * w)
        assert abs((values[0] - values[1]) / (2 * h) - slope) < 1e-5 * (1 + abs(slope))
        assert all(g.isfinite().all() for g in gradients)
        assert abs(slope) > 1e-6


def test_the_penalty_is_the_acceleration_along_the_flow():
    """d/dt f along dz = f dt, against a difference quotient between points of a trajectory."""
    torch.manual_seed(0)
    net, process, pairs = smooth().double(), NeuralPath(smooth().double(), smooth().double(), delta=DELTA), batch(5)
    t, h = torch.linspace(0.1, 0.9, 5, dtype=torch.float64), 1e-4
    objective = NeuralFlowDiffusion(process, 1.0, straightness=1.0, draw=lambda n, like, generator=None: t)
    field, z = objective.field(net), process.sample(pairs, t).x
    ahead, behind = (solve(field, z, torch.stack([t, t + step]), solver=Heun()).x for step in (h, -h))
    quotient = (field(ahead, t + h) - field(behind, t - h)) / (2 * h)  # both errors are O(h^2)
    found = objective(net, pairs).terms["straightness"]
    torch.testing.assert_close(found, quotient.square().mean(), rtol=1e-5, atol=0)


def test_the_exact_process_is_sampled_with_and_without_noise():
    """At the bound's optimum for Gaussian data: moments of z_1 = x1 + delta x0 within Monte-Carlo error."""
    n, objective = 2000, NeuralFlowDiffusion(NeuralPath.plain(DELTA), Volatility(DELTA).double())
    field = objective.field(preconditioned(exact_denoiser))
    x0 = torch.randn(n, 2, generator=gen(), dtype=torch.float64)
    times = torch.linspace(0, 1, 201, dtype=torch.float64)
    with torch.no_grad():
        flow = solve(field, x0, times[::4], solver=Heun()).x
        noisy = solve(field, x0, times, solver=EulerMaruyama(), generator=gen(1)).x
    goal = S + DELTA**2 * torch.eye(2).double()
    for x, bias in ((flow, 0.01), (noisy, 0.05)):  # of steps of 1/50 to second order, and 1/200 at rates of 20 to first
        assert ((x.mean(0) - MU).abs() < 4 * (goal.diagonal() / n).sqrt() + bias * MU.abs()).all()
        assert ((torch.cov(x.T) - goal).abs() < 4 * goal.diagonal().max() * (2 / n) ** 0.5 + bias * goal.abs()).all()
    assert (flow - noisy).abs().mean() > 0.1


SPEC = {
    "data": {"type": "Toy", "labels": True},
    "net": {"type": "MLP", "width": 16, "activation": "silu"},
    "objective": {
        "type": "NeuralFlowDiffusion",
        "process": {
            "type": "NeuralPath",
            "mean": {"type": "MLP", "width": 16, "activation": "silu"},
            "scale": {"type": "MLP", "width": 16, "activation": "silu"},
        },
        "cond_drop": 0.2,
    },
    "training": {"steps": 6, "batch_size": 16, "ema": 0.9},
    "sampling": {"steps": 10},
}


def test_a_run_is_configured_trained_and_sampled_again(tmp_path):
    first = parse(SPEC).resolved()
    assert parse(first).resolved() == first
    flow = Flow(SPEC).fit(folder=tmp_path)
    again, label = Flow.load(tmp_path), torch.arange(8) % 2
    names = {name.split(".")[0] for name, _ in flow.objective_.named_parameters()}
    assert names == {"process", "volatility"}
    assert flow.sample(8, label).equal(again.sample(8, label))
    assert flow.sample(8, label, solver="EulerMaruyama").equal(again.sample(8, label, solver="EulerMaruyama"))
    assert flow.sample(8, label, guidance=2.0).isfinite().all()
    with pytest.raises(Incompatible, match="not under NeuralFlowDiffusion"):
        flow.sample(8, label, guidance=2.0, solver="EulerMaruyama")  # whose noise would be another's
    side = torch.linspace(-6, 6, 41)
    low, high = flow.frame_.transform.inverse(torch.tensor([[-6.0, -6.0], [6.0, 6.0]]))
    rows = flow.frame_.transform.inverse(torch.cartesian_prod(side, side))
    mass = flow.log_prob(rows, torch.ones(len(rows)).long(), steps=15).exp().sum() * ((high - low) / 40).prod()
    assert abs(mass - 1) < 0.03  # a smooth density on a grid, found by steps of 1/15 to second order
    x = flow.sample(8, label)
    assert not x.requires_grad
    back = flow.transport(flow.transport(x, label, reverse=True, steps=40), label, steps=40)
    torch.testing.assert_close(back, x, rtol=0.03, atol=0.03)  # of Heun there and back


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: NeuralFlowDiffusion(p, -1.0), InvalidInput, "volatility is -1.0, expected a number > 0"),
        (lambda p: NeuralFlowDiffusion(p, straightness=-1.0), InvalidInput, "straightness is -1.0"),
        (lambda p: NeuralFlowDiffusion(p, cond_drop=2.0), InvalidInput, "cond_drop is a probability, got 2.0"),
        (
            lambda p: Flow(objective=NeuralFlowDiffusion(p), net="MLP").fit(torch.randn(9, 2), x0=torch.randn(9, 2)),
            Incompatible,
            "this NeuralFlowDiffusion starts from independent noise",
        ),
        (
            lambda p: parse({**SPEC, "objective": {"type": "NeuralFlowDiffusion", "process": {"type": "NeuralPath"}}}),
            InvalidInput,
            "objective.process.mean is not set",
        ),
        (
            lambda p: parse({**SPEC, "path": {"type": "Affine", "schedule": "Cosine"}}),
            Incompatible,
            "learns a path of its own",
        ),
    ],
)
def test_mistakes_are_told(make, error, message):
    with pytest.raises(error, match=message):
        make(NeuralPath.plain())


def trained(process, steps, volatility=None, straightness=0.0, rows=128):
    torch.manual_seed(0)
    mixture, generator, net = reference_mixture().float(), gen(), smooth(64)
    objective = NeuralFlowDiffusion(process(), volatility, straightness, draw=Stratified())
    parameters = [*net.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adam(parameters, 5e-3)
    for k in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - k / steps)
        pairs = Pairs((torch.randn(rows, 2, generator=generator), mixture.sample(rows, generator=generator)))
        optimizer.zero_grad()
        objective(net, pairs, generator=generator).value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    objective.straightness = 0.0
    return mixture, net, objective


plain = lambda: NeuralPath.plain(0.05)
learned = lambda: NeuralPath(smooth(32), smooth(32), delta=0.05)


@pytest.mark.story
def test_a_learned_process_lowers_the_bound_and_samples_the_data():
    mixture, net, objective = trained(learned, 300)
    generator, times = gen(9), torch.linspace(0, 1, 101)
    fresh = [mixture.sample(500, generator=generator) for _ in range(4)]
    with torch.no_grad():
        x0, x1 = torch.randn(20000, 2, generator=generator), mixture.sample(20000, generator=generator)
        bound = 2 * float(objective(net, Pairs((x0, x1)), generator=generator).value)
        field, x0 = objective.field(net), x0[:500]
        noisy = solve(field, x0, times, solver=EulerMaruyama(), generator=generator).x
        flow = solve(field, x0, times, solver=Heun()).x
    entropy = -float(mixture.log_prob(x1).mean())
    assert entropy < bound < entropy + 0.5
    floor = sum(wasserstein(fresh[i], fresh[i + 1]) for i in range(3)) / 3
    distance = lambda x: sum(wasserstein(x, other) for other in fresh) / 4
    assert distance(noisy) < 2 * floor
    # 1 row in 20 in the wrong mode is a distance of 1: the bound asks little of early times, where the flow decides
    assert distance(flow) < 0.8 * distance(x0)


@pytest.mark.story
def test_where_the_noise_is_given_the_process_adapts_to_it():
    pairs = Pairs(
        (torch.randn(20000, 2, generator=gen(1)), reference_mixture().float().sample(20000, generator=gen(2)))
    )
    values = []
    for process in (plain, learned):
        _, net, objective = trained(process, 150, volatility=1.0)
        with torch.no_grad():
            values.append(float(objective(net, pairs, generator=gen(3)).value))
    assert values[1] < 0.6 * values[0]  # found 0.33


@pytest.mark.story
def test_the_penalty_straightens_the_flow():
    x0, bent = torch.randn(500, 2, generator=gen(1)), []
    for straightness in (0.0, 0.3):
        _, net, objective = trained(learned, 80, straightness=straightness)
        bent.append(curvature(objective.field(net), x0, steps=50))
    assert bent[1] < 0.8 * bent[0]
