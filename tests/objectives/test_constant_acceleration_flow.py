"""Motions of constant acceleration between the pairs of a Gaussian, where both networks are known exactly.

Everything is float64 and exact up to rounding unless said otherwise.
"""

import pytest
import torch
from torch import nn

from pushforward.core import FlowMap, Incompatible, InvalidInput, Objective, Pairs, Solver
from pushforward.fields import Accelerated
from pushforward.nets import MLP, MotionNet
from pushforward.objectives import ConstantAccelerationFlow, FlowMatching, Stratified, Uniform
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine
from pushforward.solvers import RK4, ConstantAcceleration, Euler, Jump, solve
from pushforward.training import Training, train

F64 = torch.float64
EYE = torch.eye(2, dtype=F64)
FIELD = GaussianMixture([[1.0, -0.5]], [[[0.5, 0.3], [0.3, 0.4]]]).along(Affine())
M = FIELD.flow_map(torch.zeros(1, 2, dtype=F64), 0.0, 1.0)
A = FIELD.flow_map(EYE, 0.0, 1.0) - M  # symmetric: x1 = A x0 + M
SPEEDS = [0.5, 1.0, 1.5, 2.0]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n=20, seed=0):
    return torch.randn(n, 2, generator=gen(seed), dtype=F64)


def pairs_of(n=64):
    x0 = noise(n, 1)
    return Pairs((x0, x0 @ A + M))


def source(x, share):
    """x0 of x = x0 + share (x1 - x0)."""
    share = share[:, None]
    return torch.linalg.solve((1 - share[..., None]) * EYE + share[..., None] * A, (x - share * M)[..., None])[..., 0]


class Exact(nn.Module):
    """V for an initial speed, and A for whatever initial velocity it is told."""

    def __init__(self, speed, off=0.0):
        super().__init__()
        self.speed, self.off = speed, off

    def velocity(self, x, t, cond=None):
        x0 = source(x, self.speed * t + (1 - self.speed) * t**2)
        return self.speed * (x0 @ A + M - x0) + self.off * x0.sin()

    def acceleration(self, y, t, cond=None):
        x, v0 = y.chunk(2, 1)
        x0 = source(x - (t - t**2)[:, None] * v0, t**2)
        return 2 * (x0 @ A + M - x0) - 2 * v0


def net_of(width=16):
    torch.manual_seed(0)
    return MotionNet(MLP((2,), width=width, activation="silu"), MLP((4,), width=width, activation="silu")).double()


def test_parts_are_what_they_should_be():
    assert isinstance(ConstantAccelerationFlow(), Objective)
    assert isinstance(ConstantAcceleration(), Solver)
    assert isinstance(ConstantAccelerationFlow().flow_map(net_of()), FlowMap)


@pytest.mark.parametrize("speed", SPEEDS)
def test_exact_networks_have_no_loss(speed):
    loss = ConstantAccelerationFlow(speed)(Exact(speed), pairs_of(), generator=gen())
    assert all(float(term) < 1e-24 for term in loss.terms.values())
    other = ConstantAccelerationFlow(speed)(Exact(speed + 0.3), pairs_of(), generator=gen())
    assert float(other.terms["velocity"]) > 1e-3
    assert float(other.terms["acceleration"]) < 1e-24  # which is right for any velocity that it is told


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("speed", SPEEDS)
def test_any_number_of_steps_lands_on_the_data_and_goes_back(speed, steps):
    flow_map, x0 = ConstantAccelerationFlow(speed).flow_map(Exact(speed)), noise()
    found = solve(flow_map, x0, torch.linspace(0, 1, steps + 1), solver=ConstantAcceleration())
    assert found.nfe == steps
    torch.testing.assert_close(found.x, x0 @ A + M, rtol=0, atol=1e-12)
    back = solve(flow_map, found.x, torch.linspace(1, 0, steps + 1), solver=ConstantAcceleration())
    torch.testing.assert_close(back.x, x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_acceleration_makes_up_for_a_wrong_velocity(steps):
    flow_map, x0 = Accelerated(Exact(1.5, off=0.7)), noise()
    found = solve(flow_map, x0, torch.linspace(0, 1, steps + 1), solver=ConstantAcceleration())
    torch.testing.assert_close(found.x, x0 @ A + M, rtol=0, atol=1e-12)


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_flow_map_is_the_parabola_of_each_pair(speed):
    """x0 + t v0 + t^2 a / 2, between any two times in either direction."""
    x0, (s, t) = noise(), torch.rand(2, 20, generator=gen(3), dtype=F64)
    way = x0 @ A + M - x0
    v0, a = speed * way, 2 * (1 - speed) * way
    on = lambda t: x0 + t[:, None] * v0 + (t**2)[:, None] * a / 2
    flow_map = Accelerated(Exact(speed))
    torch.testing.assert_close(flow_map(on(s), s, t), on(t), rtol=0, atol=1e-12)
    torch.testing.assert_close(flow_map.velocity(on(t), t), v0 + t[:, None] * a, rtol=0, atol=1e-12)
    jumped = solve(flow_map, x0, torch.linspace(0, 1, 4), solver=Jump()).x
    torch.testing.assert_close(jumped, on(torch.ones(20, dtype=F64)), rtol=0, atol=1e-12)


def test_its_field_is_one_for_solvers():
    """40 steps of RK4, whose error falls with the fourth power of the step."""
    field, x0 = ConstantAccelerationFlow(1.5).field(Exact(1.5)), noise()
    errors = [
        (solve(field, x0, torch.linspace(0, 1, n + 1), solver=RK4()).x - x0 @ A - M).abs().max() for n in (20, 40)
    ]
    assert errors[1] < 1e-6
    assert errors[1] < errors[0] / 8 or errors[0] < 1e-12


def test_at_speed_one_it_is_rectified_flow():
    """The velocity's loss is that of flow matching, and an exact velocity leaves nothing to accelerate."""
    net, batch = net_of(), pairs_of()
    found = ConstantAccelerationFlow(1.0)(net, batch, generator=gen(5)).terms["velocity"]
    plain = FlowMatching(times=Uniform())(net.velocity, batch, generator=gen(5)).value
    torch.testing.assert_close(found, plain.detach(), rtol=1e-12, atol=0)

    class Straight(Exact):
        def acceleration(self, y, t, cond=None):
            return torch.zeros_like(y)

    assert float(ConstantAccelerationFlow(1.0)(Straight(1.0), batch, generator=gen(5)).value) < 1e-24
    assert float(ConstantAccelerationFlow(1.5)(Straight(1.5), batch, generator=gen(5)).value) > 0.1
    x0 = noise()
    euler = solve(Exact(1.0).velocity, x0, [0.0, 0.5, 1.0], solver=Euler()).x
    steps = solve(Accelerated(Straight(1.0)), x0, [0.0, 0.5, 1.0], solver=ConstantAcceleration()).x
    torch.testing.assert_close(steps, euler, rtol=0, atol=1e-12)


def test_no_gradient_of_the_acceleration_reaches_the_velocity():
    net, batch = net_of(), pairs_of()
    halves = {"velocity": net.velocity, "acceleration": net.acceleration}
    sequence = ConstantAccelerationFlow(switch=0.4)
    for progress, due in ((0.0, "velocity"), (0.39, "velocity"), (0.4, "acceleration"), (1.0, "acceleration")):
        loss = sequence.at(progress)(net, batch, generator=gen(5))
        assert set(loss.terms) == {due}
        net.zero_grad()
        loss.value.backward()
        for name, part in halves.items():
            assert all((p.grad is not None) == (name == due) for p in part.parameters())
    both = ConstantAccelerationFlow().at(0.3)(net, batch, generator=gen(5))
    assert both.terms == ConstantAccelerationFlow()(net, batch, generator=gen(5)).terms
    apart = [sequence.at(progress)(net, batch, generator=gen(5)).value for progress in (0.0, 1.0)]
    torch.testing.assert_close(both.value, sum(apart), rtol=1e-12, atol=0)


def test_a_velocity_that_is_done_stays_as_it_is():
    net, seen = net_of().float(), {}

    class Watched(nn.Module):
        """The objective, with a look at the velocity when the acceleration begins."""

        def __init__(self):
            super().__init__()
            self.inner = ConstantAccelerationFlow(switch=0.5, draw=Stratified())

        def at(self, progress):
            if progress >= 0.5 and not seen:
                seen.update({name: p.detach().clone() for name, p in net.velocity.named_parameters()})
            return self.inner.at(progress)

    class Given:
        def pairs(self, step, size, *, seed):
            return pairs_of(size).map(torch.Tensor.float)

    trained = train(net, Watched(), Given(), Training(10, 16, device="cpu", threads=1, ema=None), seed=0).net
    assert seen
    for name, p in trained.velocity.named_parameters():
        assert torch.equal(p, seen[name])


class Told(nn.Module):
    """Answers with its condition."""

    def forward(self, x, t, cond=None):
        return cond.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1)).expand_as(x)


@pytest.mark.parametrize("event", [(), (2,), (3, 4, 4)], ids=str)
def test_states_of_any_shape_and_their_conditions(event):
    x = torch.randn(5, *event, generator=gen())
    net, cond = MotionNet(Told(), Told()), torch.arange(5)
    end = Accelerated(net)(x, torch.zeros(5), torch.ones(5), cond)
    torch.testing.assert_close(end - x, 1.5 * Told()(x, None, cond))
    loss = ConstantAccelerationFlow(1.0)(net, Pairs((x, end), cond=cond), generator=gen())
    torch.testing.assert_close(loss.terms["acceleration"], torch.tensor(0.0))  # 2 (3/2 c) - 2 c = c
    dropped = ConstantAccelerationFlow(1.0, cond_drop=1.0)(net, Pairs((x, end), cond=cond), generator=gen())
    assert dropped.terms["acceleration"] > 1


def test_mappings():
    class Halved(nn.Module):
        def velocity(self, x, t, cond=None):
            return {name: -leaf for name, leaf in x.items()}

        def acceleration(self, y, t, cond=None):
            return {name: 2 * leaf for name, leaf in y.items()}

    x = {"a": noise(4), "b": noise(4)[:, 0]}
    found = solve(Accelerated(Halved()), x, [0.0, 1.0], solver=ConstantAcceleration()).x
    torch.testing.assert_close(found, x)  # x - x + x
    loss = ConstantAccelerationFlow()(Halved(), Pairs((x, x)), generator=gen())
    assert set(loss.terms) == {"velocity", "acceleration"}


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: ConstantAccelerationFlow(0.0), InvalidInput, "initial_speed is 0"),
        (lambda: ConstantAccelerationFlow(2.5), InvalidInput, "faster rows pass their ends"),
        (lambda: ConstantAccelerationFlow(switch=1.0), InvalidInput, "switch is a share"),
        (lambda: ConstantAccelerationFlow(cond_drop=2.0), InvalidInput, "cond_drop is a probability"),
        (lambda: ConstantAccelerationFlow()(MLP((2,)), pairs_of()), Incompatible, "MLP is one; give nets.MotionNet"),
        (
            lambda: Accelerated(MotionNet(MLP((2,)), MLP((1,))))(torch.zeros(3, 2), torch.zeros(3), torch.ones(3)),
            InvalidInput,
            r"\[3, 4\]",
        ),
        (
            lambda: solve(lambda x, t, cond: x, noise(), [0.0, 1.0], solver=ConstantAcceleration()),
            Incompatible,
            "use another solver",
        ),
    ],
)
def test_refusals(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_an_acceleration_of_another_shape_is_refused():
    class Short(Exact):
        def acceleration(self, y, t, cond=None):
            return y[:, :1]

    with pytest.raises(InvalidInput, match=r"the acceleration is \[20, 1\] for states \[20, 2\]"):
        Accelerated(Short(1.0))(noise(), torch.zeros(20, dtype=F64), torch.ones(20, dtype=F64))
