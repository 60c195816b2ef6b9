from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import pushforward as pf
from pushforward.core import Estimate, InvalidInput, Step, randn
from pushforward.solvers import RK4, Dopri5, Euler, Heun, Tsit5, solve


def field(x, t, cond=None):
    return torch.sin(x) + t.reshape(-1, *[1] * (x.ndim - 1))


def test_is_reached_from_the_top():
    assert pf.solve is solve
    assert pf.Solution is pf.solvers.Solution


@pytest.mark.parametrize(
    "times", [[0.0, 0.5, 1.0], (0, 0.5, 1), np.array([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.5, 1.0])], ids=type
)
def test_times_come_in_many_forms(times):
    x = torch.ones(2, 1)
    solution = solve(field, x, times, solver=Heun())
    assert torch.equal(solution.x, solve(field, x, torch.linspace(0, 1, 3), solver=Heun()).x)
    assert solution.times.tolist() == [0.0, 0.5, 1.0]
    assert solution.xs is None


@pytest.mark.parametrize("solver", [Euler(), Dopri5()])
@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 0.5, 0.4], "times go forwards and backwards"),
        ([0.0, float("nan"), 1.0], r"times are not finite \(first at index 1\)"),
        ([float("nan"), 1.0], r"times are not finite \(first at index 0\)"),
        ([0.0, float("inf")], r"times are not finite \(first at index 1\)"),
        ([1.0], r"times has shape \[1\], expected \[K \+ 1\]"),
        (torch.tensor(1.0), r"times has shape \[\]"),
        (torch.zeros(2, 3), r"times has shape \[2, 3\] for 2 rows; give \[K \+ 1, 2\]"),
        (torch.zeros(2, 2, 1), r"times has shape \[2, 2, 1\]"),
        (torch.tensor([[0.0, 0.0], [1.0, 0.5], [2.0, 0.7], [3.0, 0.6]]), "times go forwards and backwards"),
    ],
)
def test_unusable_times_are_refused(solver, times, message):
    with pytest.raises(InvalidInput, match=message):
        solve(field, torch.zeros(2, 1), times, solver=solver)


@pytest.mark.parametrize("solver", [Euler(), RK4(), Tsit5()])
def test_a_field_of_the_wrong_shape_is_refused(solver):
    x = torch.zeros(4, 2)
    with pytest.raises(InvalidInput, match=r"gave shape \[4, 1\] for a state \[4, 2\]; return one motion"):
        solve(lambda x, t, cond: x[:, :1], x, [0.0, 1.0], solver=solver)
    with pytest.raises(InvalidInput, match=r"gave leaves \['b'\] for a state with leaves \['a'\]"):
        solve(lambda x, t, cond: {"b": x["a"]}, {"a": x}, [0.0, 1.0], solver=solver)
    with pytest.raises(InvalidInput, match=r"gave shape \[4\] for a state \[4, 2\] in leaf 'a'"):
        solve(lambda x, t, cond: {"a": x["a"][:, 0]}, {"a": x}, [0.0, 1.0], solver=solver)


@pytest.mark.parametrize("solver", [Euler(), RK4(), Tsit5()])
def test_a_field_that_gives_no_motion_is_refused(solver):
    x = torch.zeros(4, 2)
    with pytest.raises(InvalidInput, match="the field gave NoneType, expected a tensor like the state"):
        solve(lambda x, t, cond: None, x, [0.0, 1.0], solver=solver)
    with pytest.raises(InvalidInput, match="the field gave dict, expected a tensor"):
        solve(lambda x, t, cond: {"a": x}, x, [0.0, 1.0], solver=solver)
    with pytest.raises(InvalidInput, match=r"the field gave Tensor, expected a mapping with leaves \['a'\]"):
        solve(lambda x, t, cond: x["a"], {"a": x}, [0.0, 1.0], solver=solver)


def test_solvers_may_name_what_they_pass():
    @dataclass(frozen=True)
    class Named:
        def step(self, dynamics, x, s, t, cond=None, *, carry=None, generator=None):
            return Step(x + (t - s)[:, None] * dynamics(x=x, t=s, cond=cond))

    by_name = lambda x, t, cond=None: x * cond
    arguments = {"x": torch.ones(2, 1), "times": [0.0, 0.5, 1.0], "cond": torch.full((2, 1), 2.0)}
    named, plain = (solve(by_name, **arguments, solver=solver) for solver in (Named(), Euler()))
    assert torch.equal(named.x, plain.x)
    assert named.nfe == 2


def test_rows_hidden_in_a_closure_are_told_to_come_as_cond():
    rate = torch.tensor([0.1, 10.0], dtype=torch.float64)
    field = lambda x, t, cond: rate[:, None] * torch.cos(20 * t * rate[: len(t)])[:, None] * x
    with pytest.raises(
        InvalidInput, match=r"gave shape \[2, 1\] for a state \[1, 1\]; pass data of single rows as cond"
    ):
        solve(field, torch.ones(2, 1, dtype=torch.float64), [0.0, 1.0], solver=Tsit5())


def test_a_solver_is_an_instance():
    with pytest.raises(InvalidInput, match=r"solver is <class .*RK4'>, expected a solver such as pf.solvers.RK4\(\)"):
        solve(field, torch.zeros(2, 1), [0.0, 1.0], solver=RK4)


def test_runs_whatever_solver_keeps_the_protocol():
    """A solver of another room: dynamics with attributes, that gives both ends, and draws."""

    @dataclass(frozen=True)
    class Remix:
        def step(self, dynamics, x, s, t, cond=None, *, carry=None, generator=None):
            ends = dynamics(x, s, cond)
            return Step(ends.x1 + dynamics.scale * randn(x.shape, x, generator=generator), carry=(carry or 0) + 1)

    class Ends(nn.Module):
        scale = 0.5

        def forward(self, x, t, cond=None):
            return Estimate(x1=x + cond, x0=x)

    draw = lambda seed: solve(
        Ends(), torch.zeros(3, 2), [0, 1, 2], solver=Remix(), cond=torch.ones(3, 2),
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    assert torch.equal(draw(0).x, draw(0).x)
    assert not torch.equal(draw(0).x, draw(1).x)
    assert draw(0).nfe == 2


def test_integer_states_move_by_rates_of_their_space():
    @dataclass(frozen=True)
    class Letters:
        def move(self, x, u, dt, *, generator=None):
            return (x + u.argmax(-1)) % u.shape[-1]

        def noise(self, like, *, generator=None):
            return like

    rates = lambda x, t, cond: torch.eye(4)[torch.ones_like(x)]
    x = solve(rates, torch.tensor([[0, 1, 2], [3, 3, 3]]), [0.0, 0.5, 1.0], solver=Euler(Letters())).x
    assert torch.equal(x, torch.tensor([[2, 3, 0], [1, 1, 1]]))


@pytest.mark.parametrize("solver", [Euler(), RK4(), Dopri5(controller=None)])
def test_function_transforms_pass_through(solver, starts):
    arrive = lambda x: solve(field, x, [0.0, 0.3, 1.0], solver=solver).x
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: arrive(row[None])[0]))(starts)
    eps = 1e-6 * torch.eye(2, dtype=torch.float64)
    expected = torch.stack([(arrive(starts + e) - arrive(starts - e)) / 2e-6 for e in eps], -1)
    torch.testing.assert_close(jacobian, expected, rtol=1e-8, atol=1e-8)
    reverse = torch.func.grad(lambda x: arrive(x)[:, 0].sum())(starts)
    torch.testing.assert_close(reverse, expected[:, 0], rtol=1e-8, atol=1e-8)


def test_gradients_reach_the_times(starts):
    times = torch.tensor([0.0, 0.4, 0.9], dtype=torch.float64, requires_grad=True)
    constant = lambda x, t, cond: 3 * torch.ones_like(x)
    solve(constant, starts, times, solver=RK4()).x.sum().backward()
    torch.testing.assert_close(times.grad, torch.tensor([-36.0, 0.0, 36.0], dtype=torch.float64))


def test_arguments_are_left_alone(starts):
    x, times, cond = starts.clone(), torch.linspace(0, 1, 4, dtype=torch.float64), torch.ones(6)
    for solver in (RK4(), Tsit5()):
        solve(field, x, times, solver=solver, cond=cond, save=True)
    assert torch.equal(x, starts)
    assert torch.equal(times, torch.linspace(0, 1, 4, dtype=torch.float64))
