import pytest
import torch

from pushforward.core import FlowMap, InvalidInput
from pushforward.solvers import RK4, Dopri5, Heun, Integrated, solve

SOLVERS = pytest.mark.parametrize("solver", [RK4(), Dopri5(1e-7, 1e-7)])


def field(x, t, cond=None):
    return (cond if cond is None else cond[:, None]) * torch.sin(x) + t[:, None]


@SOLVERS
def test_is_a_flow_map_with_times_per_row(solver, starts):
    generator = torch.Generator().manual_seed(0)
    s, t, cond = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    t[2] = s[2]
    arrive = Integrated(field, solver, steps=32)
    assert isinstance(arrive, FlowMap)
    x = arrive(starts, s, t, cond)
    for i in range(6):
        times = torch.linspace(s[i], t[i], 65, dtype=torch.float64)
        alone = solve(field, starts[i : i + 1], times, solver=RK4(), cond=cond[i : i + 1]).x
        torch.testing.assert_close(x[i : i + 1], alone, rtol=0, atol=2e-6)
    assert torch.equal(x[2], starts[2])


@SOLVERS
def test_maps_compose(solver, starts):
    arrive, one = Integrated(field, solver, steps=64), torch.ones(6, dtype=torch.float64)
    halfway = arrive(starts, 0.0, 0.5, one)
    torch.testing.assert_close(arrive(halfway, 0.5, 1.0, one), arrive(starts, 0.0, 1.0, one), rtol=0, atol=2e-6)


def test_the_derivative_in_the_arrival_time_is_the_field(starts):
    arrive, one = Integrated(field, RK4(), steps=32), torch.ones(6, dtype=torch.float64)
    end = torch.full((6,), 0.8, dtype=torch.float64)
    x, change = torch.func.jvp(lambda t: arrive(starts, torch.zeros_like(t), t, one), (end,), (one,))
    torch.testing.assert_close(change, field(x, end, one), rtol=0, atol=1e-6)


def test_runs_under_vmap_over_times(starts):
    arrive, one = Integrated(field, Heun(), steps=4), torch.ones(6, dtype=torch.float64)
    ends = torch.linspace(0.1, 1, 6 * 3, dtype=torch.float64).reshape(3, 6)
    mapped = torch.func.vmap(lambda t: arrive(starts, torch.zeros_like(t), t, one))(ends)
    for k in range(3):
        torch.testing.assert_close(mapped[k], arrive(starts, 0.0, ends[k], one))


def test_refuses_no_steps():
    with pytest.raises(InvalidInput, match="steps=0, expected at least 1"):
        Integrated(field, RK4(), steps=0)
