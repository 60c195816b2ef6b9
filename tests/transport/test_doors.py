"""What the solvers take, and the sentence for what they do not."""

import inspect
import math

import numpy as np
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import (
    assignment,
    auction,
    entropic_ot,
    exact_plan,
    partial,
    partial_assignment,
    rounded,
    semi_relaxed,
    sinkhorn,
    sinkhorn_divergence,
    sinkhorn_newton_sparse,
    stable_matching,
    unbalanced,
)

ON_MATRICES = {
    "auction": lambda c, a, b: auction(c),
    "assignment": lambda c, a, b: assignment(c),
    "stable_matching": lambda c, a, b: stable_matching(c),
    "exact_plan": exact_plan,
    "partial": lambda c, a, b: partial(c, 0.5, a=a, b=b),
    "partial_assignment": lambda c, a, b: partial_assignment(c, 3),
    "unbalanced": lambda c, a, b: unbalanced(c, 0.1, 0.5, a=a, b=b),
    "semi_relaxed": lambda c, a, b: semi_relaxed(c, 0.1, 0.5, a=a, b=b),
    "entropic_ot": lambda c, a, b: entropic_ot(c, 0.1, a, b),
    "sinkhorn": lambda c, a, b: sinkhorn(c, 0.1, a, b),
    "sinkhorn_newton_sparse": lambda c, a, b: sinkhorn_newton_sparse(c, 0.1, a, b),
    "sinkhorn_divergence": lambda c, a, b: sinkhorn_divergence(c, 2 * c, 0.1, a, b),
    "rounded": rounded,
}


def unchecked(solver):
    """As users call it, whose annotations nobody enforces."""
    return inspect.unwrap(solver)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


WAYS = {
    "plain": lambda x: x,
    "by columns": np.asfortranarray,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read only": read_only,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ON_MATRICES)
@pytest.mark.filterwarnings("error")
def test_arrays_are_tensors(name, way, gen):
    cost, a, b = torch.rand(6, 6, dtype=torch.float64, generator=gen), *torch.rand(2, 6, generator=gen).double()
    a, b = a / a.sum(), b / b.sum()
    solve = ON_MATRICES[name]
    wanted, found = solve(cost, a, b), solve(*(WAYS[way](x.numpy()) for x in (cost, a, b)))
    for one, other in zip(*([z] if isinstance(z, torch.Tensor) else z for z in (found, wanted)), strict=True):
        assert type(one) is type(other)
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("solver", [auction, exact_plan, stable_matching])
@pytest.mark.parametrize("given", [None, "cost", np.array([["a"]]), object()])
def test_refuses_what_is_no_array(solver, given):
    with pytest.raises(InvalidInput, match=r"the cost is of type \w+, expected a tensor or an array"):
        unchecked(solver)(given)


@pytest.mark.parametrize("call", [(unbalanced, 0.1, 1.0), (exact_plan,), (auction,), (partial, 0.5)])
@pytest.mark.parametrize("shape", [(2, 3, 3), (3,)])
def test_refuses_costs_that_are_no_matrix(call, shape):
    solver, *arguments = call
    with pytest.raises(InvalidInput, match=rf"needs one cost of shape \[n, m\], got \[{shape[0]}"):
        unchecked(solver)(torch.rand(shape), *arguments)


@pytest.mark.parametrize("solver", [entropic_ot, sinkhorn_newton_sparse])
def test_refuses_strengths_that_are_none(solver, gen):
    cost = torch.rand(4, 2, generator=gen)
    with pytest.raises(InvalidInput, match=r"epsilon is of shape \[4, 2\], expected one number; of two clouds"):
        unchecked(solver)(cost, cost, 0.1)
    with pytest.raises(InvalidInput, match="epsilon is 'sharp', expected one number"):
        unchecked(solver)(cost, "sharp")
    for bad in (math.inf, math.nan):
        with pytest.raises(InvalidInput, match=f"epsilon is {bad}, expected a finite number"):
            solver(cost, bad)
        with pytest.raises(InvalidInput, match=r"the cost.* not finite"):
            solver(cost * math.nan, bad)
    # what a computation leaves behind is a number, too
    assert unchecked(solver)(cost, cost.mean()).plan.equal(solver(cost, cost.mean().item()).plan)


@pytest.mark.parametrize(
    ("rho", "match"),
    [
        (math.nan, "rho is .*nan"),
        ((1.0, math.nan), "rho is .*nan"),
        ((math.nan, 1.0), "rho is .*nan"),
        ("much", "rho is 'much', expected one number, or a pair"),
        (None, "rho is None, expected one number, or a pair"),
        (torch.ones(3), r"rho is of shape \[3\], expected one number, or a pair"),
        ((1.0, 2.0, 3.0), "rho has 3 entries, expected one number, or a pair"),
    ],
)
def test_refuses_strengths_of_marginals_that_are_none(rho, match):
    with pytest.raises(InvalidInput, match=match):
        unchecked(unbalanced)(torch.rand(3, 3), 0.1, rho)


@pytest.mark.parametrize("call", [(unbalanced, 0.1, 1.0), (exact_plan,), (partial, 0.5)])
@pytest.mark.parametrize("shape", [(2,), (3, 1)])
def test_refuses_weights_of_another_number(call, shape):
    solver, *arguments = call
    with pytest.raises(InvalidInput, match=r"a has shape .*, expected \[3\]: one weight for each .* rows"):
        unchecked(solver)(torch.rand(3, 4), *arguments, a=torch.ones(shape))
