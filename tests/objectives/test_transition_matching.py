"""Displacements of a mixture on the line, whose law given x_t is a mixture of its own, known exactly."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Objective, Pairs, Solver
from pushforward.fields import Endpoint, TransitionKernel, Velocity
from pushforward.metrics import energy_distance
from pushforward.nets import MLP, TransitionNet
from pushforward.objectives import DifferenceTransitionMatching, FlowMatching, Grid, Uniform
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian, Cosine
from pushforward.solvers import RK4, Euler, Heun, Transitions, solve
from pushforward.training import Training, train

F64 = torch.float64
W, MEANS, S2 = torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([-1.0, 2.0], dtype=F64), 0.04
FIELD = GaussianMixture(MEANS[:, None], [[[S2]], [[S2]]], W).along(Affine())


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


class Exact:
    """Weights, means and variance of Y given x_t, and the velocity that takes noise there.

    Y = (x1 - x) / (1 - t), with x1 given x the mixture of weights r_k, means D_k and variance P.
    """

    def backbone(self, x, t, cond=None):
        t = t[:, None]
        spread = t**2 * S2 + (1 - t) ** 2
        r = (W.log() - (x - t * MEANS) ** 2 / (2 * spread)).softmax(1)
        P = S2 * (1 - t) ** 2 / spread
        D = MEANS + t * S2 / spread * (x - t * MEANS)
        return torch.cat([r, (D - x) / (1 - t), P / (1 - t) ** 2], 1)

    def head(self, y, s, h):
        r, M, V = h[:, :2], h[:, 2:4], h[:, 4:]
        s = s[:, None]
        c = s**2 * V + (1 - s) ** 2
        share = (r.log() - (y - s * M) ** 2 / (2 * c)).softmax(1)
        return (share * (M + (s * V - (1 - s)) / c * (y - s * M))).sum(1, keepdim=True)


class Mean(Exact):
    """The same without spread: displacements are their mean."""

    def backbone(self, x, t, cond=None):
        return FIELD(x, t)

    def head(self, y, s, h):
        return (h - y) / (1 - s)[:, None]


class Part(nn.Module):
    """A function as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *given):
        return self.function(*given)


def net_of(exact):
    return TransitionNet(Part(exact.backbone), Part(exact.head))


def kernel_of(exact):
    return DifferenceTransitionMatching().kernel(net_of(exact))


def noise(n=20, seed=0):
    return torch.randn(n, 1, generator=gen(seed), dtype=F64)


def pairs_of(n, seed=1):
    g = gen(seed)
    k = torch.multinomial(W, n, replacement=True, generator=g)
    x1 = MEANS[k][:, None] + S2**0.5 * torch.randn(n, 1, generator=g, dtype=F64)
    return Pairs((torch.randn(n, 1, generator=g, dtype=F64), x1))


def test_parts_are_what_they_should_be():
    assert isinstance(DifferenceTransitionMatching(), Objective)
    assert isinstance(Transitions(), Solver)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_exact_kernel_has_exact_marginals_with_any_number_of_steps(steps):
    """Mean, variance and P(x < 1/2) within four standard errors of 20,000 draws; the head's flow errs far less."""
    n = 20_000
    solver, times = Transitions(RK4(), 24), torch.linspace(0, 1, steps + 1)
    xs = solve(kernel_of(Exact()), noise(n), times, solver=solver, generator=gen(1), save=True).xs
    for t, x in zip(times.tolist()[1:], xs[1:, :, 0], strict=True):
        spread = t**2 * S2 + (1 - t) ** 2
        mean = t * (W @ MEANS)
        square = (x - mean).square()
        variance = spread + t**2 * (W @ MEANS**2 - (W @ MEANS) ** 2)
        below = W @ torch.special.ndtr((0.5 - t * MEANS) / spread**0.5)
        assert abs(x.mean() - mean) < 4 * (variance / n) ** 0.5
        assert abs(square.mean() - variance) < 4 * square.std() / n**0.5
        assert abs((x < 0.5).double().mean() - below) < 4 * (below * (1 - below) / n) ** 0.5


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("inner", [1, 4])
def test_with_the_mean_displacement_it_is_eulers_method(steps, inner):
    """The head's lines are straight, and its own Euler steps exact."""
    times, x = torch.linspace(0, 1, steps + 1), noise()
    found = solve(kernel_of(Mean()), x, times, solver=Transitions(steps=inner), generator=gen())
    assert found.nfe == steps
    torch.testing.assert_close(found.x, solve(FIELD, x, times, solver=Euler()).x, rtol=0, atol=1e-12)


def test_many_draws_come_near_the_flow():
    """The noise of a step has variance 1 / T^2 and there are T: four times the steps, half the distance."""
    n = 4000
    one = GaussianMixture([[1.0]], [[[0.25]]]).along(Affine())

    class Gaussian:
        def backbone(self, x, t, cond=None):
            c = 0.25 * t**2 + (1 - t) ** 2
            return torch.cat([one(x, t), (0.25 / c)[:, None]], 1)  # P / (1 - t)^2

        def head(self, y, s, h):
            M, V = h[:, :1], h[:, 1:]
            s = s[:, None]
            return M + (s * V - (1 - s)) / (s**2 * V + (1 - s) ** 2) * (y - s * M)

    x = noise(n)
    there, errors = one.flow_map(x, 0.0, 1.0), []
    for steps in (16, 64):
        solver = Transitions(RK4(), 8)
        found = solve(kernel_of(Gaussian()), x, torch.linspace(0, 1, steps + 1), solver=solver, generator=gen(1)).x
        errors.append((found - there).square().mean().sqrt())
    assert float(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("path", [Affine(), Affine(Cosine())], ids=repr)
def test_its_mean_is_the_velocity(path):
    x, t = noise(), torch.rand(20, generator=gen(2), dtype=F64)
    if path == Affine():
        torch.testing.assert_close(kernel_of(Exact()).velocity(x, t), FIELD(x, t), rtol=0, atol=1e-12)
        assert torch.equal(
            DifferenceTransitionMatching().field(net_of(Exact()))(x, t), kernel_of(Exact()).velocity(x, t)
        )
        return

    class Denoiser(Exact):
        """E[Y | Y_0] = E[Y], whatever the path from noise to Y."""

        def head(self, y, s, h):
            return (h[:, :2] * h[:, 2:4]).sum(1, keepdim=True)

    found = TransitionKernel(net_of(Denoiser()), Endpoint(), path).velocity(x, t)
    torch.testing.assert_close(found, FIELD(x, t), rtol=0, atol=1e-12)


@pytest.mark.parametrize("times", [Grid(1), Grid(4), Uniform(0.0, 0.9)], ids=repr)
def test_the_exact_head_is_stationary_and_another_is_not(times):
    """The slope of the loss along a change of the head, over 40 batches: its mean within four standard errors of 0."""

    class Changed:
        def __init__(self, off=0.0):
            self.theta = torch.zeros(2, dtype=F64, requires_grad=True)
            self.off, self.exact = off, Exact()

        def backbone(self, x, t, cond=None):
            return torch.cat([self.exact.backbone(x, t), x], 1)

        def head(self, y, s, h):
            changes = torch.cat([(2 * y).sin() * h[:, 5:], (y + s[:, None]).cos()], 1)
            return self.exact.head(y, s + self.off * (1 - s), h[:, :5]) + (changes @ self.theta)[:, None]

    def slopes(changed):
        objective, net = DifferenceTransitionMatching(times), net_of(changed)
        losses = (objective(net, pairs_of(500, seed), generator=gen(1000 + seed)).value for seed in range(40))
        rows = torch.stack([torch.autograd.grad(loss, changed.theta)[0] for loss in losses])
        return (rows.mean(0) / (rows.std(0) / 40**0.5)).abs()

    assert slopes(Changed()).max() < 4
    assert slopes(Changed(0.5)).max() > 10


def test_every_parameter_gets_a_gradient_and_features_one_call():
    torch.manual_seed(0)
    net = TransitionNet(MLP((2,), outputs=4), MLP((2,), features=8))
    calls = []
    net.backbone.register_forward_hook(lambda *_: calls.append(0))
    batch = Pairs((torch.randn(16, 2), torch.randn(16, 2)))
    objective = DifferenceTransitionMatching()
    for steps in range(2):  # the head's condition starts at zero: one step wakes the backbone
        loss = objective(net, batch, generator=gen()).value
        net.zero_grad()
        loss.backward()
        torch.optim.SGD(net.parameters(), 0.1).step()
        assert len(calls) == steps + 1
    grads = [p.grad for name, p in net.named_parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in grads)
    assert all(p.grad.abs().sum() > 0 for p in net.backbone.parameters())
    calls.clear()
    kernel = objective.kernel(net)
    draw = lambda: solve(kernel, batch.x0, [0.0, 0.5, 1.0], solver=Transitions(Heun(), 3), generator=gen(7)).x
    assert torch.equal(draw(), draw())
    assert len(calls) == 4


def test_conditions_go_to_the_backbone():
    class Told(Mean):
        def backbone(self, x, t, cond=None):
            return cond.to(x.dtype)[:, None]

    x, cond = noise(5), torch.arange(5)
    found = solve(kernel_of(Told()), x, [0.0, 1.0], solver=Transitions(), cond=cond, generator=gen()).x
    torch.testing.assert_close(found, x + cond[:, None])
    batch = Pairs((x, x + cond[:, None]), cond=cond)
    plain = DifferenceTransitionMatching()(net_of(Told()), batch, generator=gen()).value
    assert float(plain) < 1e-20  # Y is the condition: the head knows it
    assert float(DifferenceTransitionMatching(cond_drop=1.0)(net_of(Told()), batch, generator=gen()).value) > 1


@pytest.mark.story
def test_a_trained_head_draws_the_data_in_two_steps_where_euler_cannot():
    """Energy distances to fresh data; the mean of a displacement has no spread, and two steps of it little."""

    class Given:
        def pairs(self, step, size, *, seed):
            return pairs_of(size, step).map(torch.Tensor.float)

    torch.manual_seed(0)
    net = TransitionNet(MLP((1,), outputs=16), MLP((1,), features=16))
    objective = DifferenceTransitionMatching(Grid(2))
    settings = Training(1500, 256, 3e-3, 1e-5, device="cpu", threads=1)
    net = train(net, objective, Given(), settings, seed=0).net
    x0, real = noise(4000).float(), pairs_of(4000, 99_999).x1.float()
    with torch.no_grad():
        drawn = solve(objective.kernel(net), x0, [0.0, 0.5, 1.0], solver=Transitions(Heun(), 16), generator=gen()).x
        mean = solve(objective.field(net), x0, [0.0, 0.5, 1.0], solver=Euler()).x
    assert energy_distance(drawn, real) < 0.02
    assert energy_distance(mean, real) > 0.1


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: Transitions(steps=0), InvalidInput, "steps=0"),
        (lambda: Transitions(Euler), Incompatible, r"write Euler\(\)"),
        (lambda: DifferenceTransitionMatching(cond_drop=2.0), InvalidInput, "cond_drop is a probability"),
        (
            lambda: DifferenceTransitionMatching(inner=FlowMatching(cond_drop=0.1)),
            InvalidInput,
            "would drop the backbone's features",
        ),
        (
            lambda: DifferenceTransitionMatching(inner=FlowMatching(Affine(latent=Brownian(1.0)))),
            Incompatible,
            "without latent noise",
        ),
        (
            lambda: TransitionKernel(net_of(Exact()), Velocity(), Affine(latent=Brownian(1.0))),
            Incompatible,
            "without latent",
        ),
        (lambda: DifferenceTransitionMatching().kernel(MLP((2,))), Incompatible, "give nets.TransitionNet"),
        (lambda: solve(FIELD, noise(), [0.0, 1.0], solver=Transitions()), Incompatible, "use another solver"),
    ],
)
def test_refusals(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_a_single_step_of_the_mixture_draws_both_modes():
    x = solve(kernel_of(Exact()), noise(2000), [0.0, 1.0], solver=Transitions(RK4(), 24), generator=gen()).x
    share = (x < 0.5).double().mean()
    assert abs(share - 0.3) < 4 * math.sqrt(0.21 / 2000)
    assert ((x - MEANS).abs().amin(1) < 1.0).double().mean() > 0.99  # five standard deviations of the nearest mode
