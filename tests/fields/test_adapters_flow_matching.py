"""Our fields in the clothes of Meta's flow_matching."""

import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.fields.adapters import to_flow_matching
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT
from pushforward.solvers import Dopri5, Midpoint, solve


@pytest.fixture
def exact():
    return reference_mixture().along(Affine(CondOT()))


@pytest.fixture
def noise():
    return torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_one_time_for_all_rows_is_spread_over_them(exact, noise):
    model = to_flow_matching(exact)
    for t in (torch.tensor(0.3), torch.tensor(0.3, dtype=torch.float64), torch.full((64,), 0.3, dtype=torch.float64)):
        rows = torch.full((64,), float(t.reshape(-1)[0]), dtype=torch.float64)
        torch.testing.assert_close(model(x=noise, t=t), exact(noise, rows), rtol=0, atol=0)
    with pytest.raises(InvalidInput, match=r"\[64, 1\]"):
        model(x=noise, t=torch.zeros(64, 1))


def test_the_condition_is_the_only_extra():
    model = to_flow_matching(lambda x, t, cond: x + cond[:, None])
    labels = torch.tensor([1, 2])
    torch.testing.assert_close(model(x=torch.zeros(2, 1), t=torch.tensor(0.0), cond=labels), labels[:, None].float())
    with pytest.raises(TypeError, match="label"):
        model(x=torch.zeros(2, 1), t=torch.tensor(0.0), label=labels)


def test_a_module_under_it_is_its_own():
    net = nn.Linear(2, 2)
    assert list(to_flow_matching(net).parameters()) == list(net.parameters())


def their_solver(model):
    """Their solver, where it and what it imports are installed."""
    for name in ("torchdiffeq", "tqdm", "flow_matching"):
        pytest.importorskip(name, reason=f"flow_matching.solver needs {name}")
    from flow_matching.solver import ODESolver

    return ODESolver(velocity_model=model)


def test_their_midpoint_is_ours(exact, noise):
    """The same steps in the same order: equal up to rounding."""
    grid = torch.linspace(0, 1, 21, dtype=torch.float64)
    theirs = their_solver(to_flow_matching(exact)).sample(noise, step_size=None, method="midpoint", time_grid=grid)
    torch.testing.assert_close(theirs, solve(exact, noise, grid, solver=Midpoint()).x, rtol=1e-12, atol=1e-12)


def test_their_adaptive_samples_are_ours(exact, noise):
    """Both control the local error at 1e-9; a hundred steps, and a flow that stretches less than tenfold, remain."""
    grid = torch.tensor([0.0, 1.0], dtype=torch.float64)
    theirs = their_solver(to_flow_matching(exact)).sample(
        noise, step_size=None, method="dopri5", atol=1e-9, rtol=1e-9, time_grid=grid
    )
    ours = solve(exact, noise, grid, solver=Dopri5(1e-9, 1e-9)).x
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)


def test_their_likelihood_is_the_density(exact):
    """At the data end of the exact field; the 400 midpoint steps leave 1e-4."""
    mixture = reference_mixture()
    x1 = mixture.sample(16, generator=torch.Generator().manual_seed(1))
    source = torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    _, value = their_solver(to_flow_matching(exact)).compute_likelihood(
        x1,
        source.log_prob,
        step_size=None,
        method="midpoint",
        time_grid=torch.linspace(1, 0, 401, dtype=torch.float64),
        exact_divergence=True,
    )
    torch.testing.assert_close(value, mixture.log_prob(x1), rtol=0, atol=1e-3)
