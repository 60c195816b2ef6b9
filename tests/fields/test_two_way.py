"""Both drifts of a diffusion from one network."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Pairs, ScoreHead, generator_from
from pushforward.data import Arrays
from pushforward.fields import FlowSDE, NetField, TwoWay, stack
from pushforward.inference import log_prob
from pushforward.nets import MLP, Flattened
from pushforward.objectives import FlowMatching, InverseRate
from pushforward.paths import Affine, BridgeMixture, Geodesic, LinearRate
from pushforward.solvers import RK4, EulerMaruyama, Heun, solve
from pushforward.spaces import SE3, SO3, Euclidean, Sphere, Torus
from pushforward.training import Feed, Training, train

F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


class Says(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, t, cond=None):
        return self.answer(x, t)


SPACES = [(Euclidean(), (2,)), (Euclidean(), ()), (Sphere(), (2, 3)), (Torus(), (2,)), (SO3(), (2, 3, 3))]


@pytest.mark.parametrize(("space", "event"), SPACES, ids=str)
def test_targets_read_as_law_give_the_velocity_of_the_path_and_the_drifts(space, event):
    path, head = BridgeMixture(space, LinearRate(0.4, 0.1)), TwoWay()
    assert isinstance(head, ScoreHead)
    t = torch.linspace(0.05, 0.9, 5, dtype=F64)
    pairs = Pairs(tuple(space.noise(torch.empty(5, *event, dtype=F64), generator=gen(k)) for k in (0, 1)))
    point = path.sample(pairs, t, generator=gen(2))
    ahead, back = path.drifts(point)
    wide = lambda c, p: c.reshape(-1, *[1] * (p.ndim - 1)) * p
    law = head.law_on(space, stack(wide(1 - t, ahead), wide(t, back)), point.x, t)
    assert law.loss(head.target(path, point)).abs().max() < 1e-20
    close(head.velocity(path, law, point.x, t), path.velocity(point))
    close(head.score(path, law, point.x, t), wide(1 / path.rate(t), ahead + back))
    for push, drift in ((path.eps(t), ahead), (-path.eps(t), wide(-torch.ones_like(t), back))):
        close(head.drift(path, law, point.x, t, push), drift)


BETA = 0.6
LINE = BridgeMixture(Euclidean(), LinearRate(BETA, BETA))
TWO_POINTS = NetField(Says(lambda x, t: torch.cat([(x / (BETA * (1 - t[:, None]))).tanh() - x, -x], 1)), TwoWay(), LINE)


def density(x, t):
    """Of x_t from 0 to +-1 on a line, `[B]`."""
    std = (BETA * t * (1 - t)).sqrt()
    logs = [torch.distributions.Normal(z * t, std).log_prob(x[:, 0]) for z in (-1.0, 1.0)]
    return torch.logaddexp(*logs) - math.log(2)


def test_a_perfect_network_on_a_line_tells_flow_score_and_density():
    x, t = torch.linspace(-1.3, 1.1, 9, dtype=F64)[:, None], torch.linspace(0.1, 0.9, 9, dtype=F64)
    z = x.clone().requires_grad_()
    (score,) = torch.autograd.grad(density(z, t).sum(), z)
    close(TWO_POINTS.score(x, t), score)
    ahead = ((x / (BETA * (1 - t[:, None]))).tanh() - x) / (1 - t[:, None])
    close(TWO_POINTS(x, t), (ahead + x / t[:, None]) / 2)
    sde = FlowSDE(TWO_POINTS, eps=LINE.eps)
    close(sde(x, t, direction=torch.ones_like(t)), ahead)
    close(sde.diffusion(t), torch.full_like(t, BETA**0.5))

    class Begin:
        def log_prob(self, x):
            return density(x, x.new_tensor(0.2))

    found = log_prob(TWO_POINTS, x, Begin(), solver=RK4(), times=torch.linspace(0.2, 0.8, 121))
    close(found, density(x, x.new_tensor(0.8)), rtol=0, atol=1e-5)


def test_the_diffusion_arrives_where_the_bridges_do():
    """Between t = .2 and .8 the law of p_.2 becomes that of p_.8; E|x| to 4 standard errors and the step's O(h)."""
    n = 20_000
    sign = torch.where(torch.rand(2, n, 1, generator=gen(), dtype=F64) < 0.5, -1.0, 1.0)
    draw = lambda t, k: t * sign[k] + (BETA * t * (1 - t)) ** 0.5 * torch.randn(n, 1, generator=gen(k + 1), dtype=F64)
    sde = FlowSDE(TWO_POINTS, eps=LINE.eps)
    x = solve(sde, draw(0.2, 0), torch.linspace(0.2, 0.8, 61, dtype=F64), solver=EulerMaruyama(), generator=gen(3)).x
    exact = draw(0.8, 1)
    for f in (torch.abs, torch.square):
        a, b = f(x), f(exact)
        assert abs(float(a.mean() - b.mean())) < 4 * float((a.var() + b.var()) / n) ** 0.5 + 0.01


def test_frames_have_both_drifts_in_every_leaf():
    blank = {"shift": torch.empty(4, 2, 3, dtype=F64), "rotation": torch.empty(4, 2, 3, 3, dtype=F64)}
    pairs = Pairs(tuple(SE3().noise(blank, generator=gen(k)) for k in (0, 1)))
    net = Flattened(MLP((24,), outputs=2, width=8)).to(F64)
    path = BridgeMixture(SE3(), LinearRate(0.2, 0.1))
    objective = FlowMatching(path, TwoWay(), times=InverseRate(path.rate))
    assert objective.outputs == 2
    objective(net, pairs, generator=gen()).value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    t = torch.linspace(0.1, 0.9, 4, dtype=F64)
    v = objective.field(net)(pairs.x0, t)
    assert {name: leaf.shape for name, leaf in v.items()} == {name: leaf.shape for name, leaf in blank.items()}
    close(SO3().tangent(pairs.x0["rotation"], v["rotation"]), v["rotation"])


def test_refusals():
    for path in (Affine(), Geodesic(Sphere())):
        with pytest.raises(Incompatible, match="BridgeMixture"):
            FlowMatching(path, TwoWay())
    law = TwoWay().law(torch.zeros(2, 6), torch.zeros(2, 3), torch.full((2,), 0.5))
    with pytest.raises(InvalidInput, match="outputs=2"):
        law.loss(torch.zeros(2, 3))


@pytest.mark.story
def test_a_cap_of_the_sphere_is_learned_by_both_drifts():
    """Wrapped normal of sd .5 about the pole: its density r / sin(r) N(r), and its mean height."""
    space, pole = Sphere(), torch.tensor([0.0, 0.0, 1.0])

    def cap(n, seed):
        at = pole.expand(n, 3)
        return space.exp(at, 0.5 * space.tangent_noise(at, generator=gen(seed)))

    path = BridgeMixture(space, LinearRate(0.5, 0.1))
    even = lambda t: t * (1 - t)  # the variance of targets is beta / t and beta / (1 - t) at the ends
    objective = FlowMatching(path, TwoWay(), times=InverseRate(path.rate), weight=even)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = MLP((3,), outputs=2, width=64, depth=3, activation="silu")
    settings = Training(800, 256, 3e-3, 0.0, warmup=50, ema=0.99, device="cpu")
    field = objective.field(train(net, objective, Feed(Arrays(cap(20_000, 0)), space=space), settings, seed=0).net)
    held = cap(1000, 1)
    r = space.distance(pole.expand(1000, 3), held)
    exact = -(r.square() / 0.5) - math.log(2 * math.pi * 0.25) + (r / r.sin()).log()
    times = torch.linspace(*field.span, 31)
    with torch.no_grad():
        found = log_prob(field, held, solver=Heun(space), times=times)
        start = space.noise(torch.empty(2000, 3), generator=generator_from(0, "start"))
        walk = EulerMaruyama(space=space)
        x = solve(FlowSDE(field, eps=path.eps), start, times, solver=walk, generator=gen(2)).x
    assert abs(float((found - exact).mean())) < 0.1
    # 4 standard errors of both means, and what the network may be wrong by
    assert abs(float(x[:, 2].mean() - held[:, 2].mean())) < 0.05
