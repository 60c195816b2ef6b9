"""Solvers of token sequences, by the exact law of each step: no draws, hence no floor."""

import math
from itertools import pairwise

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Probabilities, Solver
from pushforward.fields import Logits, NetField, SourceLogits
from pushforward.guidance import Tempered
from pushforward.metrics import table_variation, table_variation_floor
from pushforward.oracles import TokenLaw
from pushforward.oracles.token_law import every_state
from pushforward.paths import Affine, CondOT, Cosine, Mixture, Polynomial
from pushforward.solvers import Corrected, Euler, ExactJump, Unmask, grids, solve
from pushforward.spaces import Tokens

UNIFORM, MASKED = Tokens(3), Tokens(3, mask=True)
spaces = pytest.mark.parametrize("space", [UNIFORM, MASKED], ids=str)
DIAGONAL = torch.tensor([[0.30, 0.02, 0.02], [0.02, 0.28, 0.02], [0.02, 0.02, 0.30]], dtype=torch.float64)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def exact(path, table=DIAGONAL):
    return NetField(TokenLaw(table).along(path), Logits(), path)


def matrix(chances):
    """The transition matrix of two symbols that move apart from each other: `[S^2, 2, S]` to `[S^2, S^2]`."""
    return torch.einsum("xa,xb->xab", chances[:, 0], chances[:, 1]).flatten(1)


def chances(solver, field, x, s, t):
    """The law of the next state: the solver's own, or that of Euler's move."""
    if isinstance(solver, Euler):
        return solver.space.chances(x, field(x, s), t - s)
    return solver.law(field, x, s, t).mean


def arrive(solver, field, times, start=None):
    """The law of two symbols after all steps, exactly."""
    path = field.path
    x = every_state(path.tokens.size, 2)
    noise = path.tokens.noise_probs(torch.zeros(1, dtype=torch.float64))
    p = torch.outer(noise, noise).flatten() if start is None else start
    for s, t in pairwise(times):
        rows = [torch.full((len(x),), float(v), dtype=torch.float64) for v in (s, t)]
        p = p @ matrix(chances(solver, field, x, *rows))
    return p


def distance(p, path, table=DIAGONAL):
    size, full = path.tokens.size, torch.zeros(path.tokens.size, path.tokens.size, dtype=torch.float64)
    full[: len(table), : len(table)] = table
    return ((p.reshape(size, size) - full).abs().sum() / 2).item()


def grid(k, stop=1.0):
    return torch.linspace(0, stop, k + 1, dtype=torch.float64)


@spaces
@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(2), Cosine()], ids=str)
def test_the_error_of_exact_jumps_falls_with_the_steps(space, schedule):
    path = Mixture(space, schedule)
    error = {k: distance(arrive(ExactJump(path), exact(path), grid(k)), path) for k in (16, 32, 64)}
    for k in (16, 32):
        assert math.log2(error[k] / error[2 * k]) == pytest.approx(1, abs=0.15)  # order 1, up to O(h)


@spaces
@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(2)], ids=str)
def test_exact_jumps_need_fewer_steps_than_euler(space, schedule):
    """On straight schedules; one that slows down at the end, as Cosine(), makes both alike."""
    path = Mixture(space, schedule)
    both = {
        k: [distance(arrive(s, exact(path), grid(k)), path) for s in (ExactJump(path), Euler(space))] for k in (8, 32)
    }
    for ours, euler in both.values():
        assert ours < 0.9 * euler


@spaces
@pytest.mark.parametrize("steps", [1, 3])
def test_one_symbol_arrives_at_its_law_in_any_number_of_steps(space, steps):
    """With the exact posterior, drawing x1 and then x_t given both is the exact transition."""
    path, p = Mixture(space), torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    field, x = NetField(TokenLaw(p).along(path), Logits(), path), torch.arange(space.size)[:, None]
    law = space.noise_probs(p)
    for s, t in pairwise(grid(steps)):
        law = law @ ExactJump(path).law(field, x, s.repeat(len(x)), t.repeat(len(x))).mean[:, 0]
    torch.testing.assert_close(law[:3], p)


@spaces
def test_on_a_grid_of_equal_jumps_all_schedules_give_one_chain(space):
    """Same seeds, same symbols: with a posterior that knows kappa alone, as the exact one does."""
    found = []
    for schedule in (CondOT(), Polynomial(2), Cosine()):
        path = Mixture(space, schedule)
        times = grids.EqualJumps()(7, path=path)
        torch.testing.assert_close(path.kappa(times)[0], grid(7), rtol=0, atol=1e-12)
        x = space.noise(torch.zeros(2000, 2), generator=gen())
        found.append(solve(exact(path), x, times, solver=ExactJump(path), generator=gen(1)).x)
    # a float32 rounding of kappa may turn one draw in 10^6
    assert (found[0] == found[1]).all(1).double().mean() > 0.998
    assert (found[0] == found[2]).all(1).double().mean() > 0.998


@spaces
def test_draws_at_64_steps_are_within_the_floor_of_the_truth(space):
    path, n = Mixture(space), 5000
    start = space.noise(torch.zeros(n, 2), generator=gen())
    x = solve(exact(path), start, grid(64), solver=ExactJump(path), generator=gen(1)).x
    floor = table_variation_floor(DIAGONAL, n)
    assert table_variation(x, DIAGONAL) < 2 * floor
    # two symbols that jump in one of 64 steps do not see each other, which happens in one of 64 rows
    assert distance(arrive(ExactJump(path), exact(path), grid(64)), path) < min(floor, 1 / 64)


@spaces
def test_euler_goes_back_from_data_to_noise_by_the_source_posterior(space):
    if space.mask:
        with pytest.raises(Incompatible, match="all mask"):
            SourceLogits().check(Mixture(space))
        return
    path = Mixture(space)
    exactly = TokenLaw(DIAGONAL).along(path)
    x, p, times = every_state(3, 2), DIAGONAL.flatten(), grid(200).flip(0)[:-1]  # down to 0.005
    for s, t in pairwise(times):
        rates = path.backward(Probabilities(exactly.source_posterior(x, s)), x, s.repeat(9))
        p = p @ matrix(space.chances(x, rates, (t - s).repeat(9)))
    torch.testing.assert_close(p, exactly.marginal(x, 0.005), rtol=0, atol=2e-3)
    assert NetField(exactly, SourceLogits(), path).span == (1e-3, 1.0)


@spaces
@pytest.mark.parametrize("chance", [0.3, 1.0])
def test_a_redraw_keeps_the_marginal_of_one_symbol_whatever_its_chance(space, chance):
    path, p = Mixture(space, Polynomial(2)), torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    exactly, x, t = TokenLaw(p).along(path), torch.arange(space.size)[:, None], 0.6
    rows = lambda v: torch.full((len(x),), v, dtype=torch.float64)
    marginal = exactly.marginal(x, t)
    corrected = Corrected(ExactJump(path), path)
    after = marginal @ corrected.redraw(NetField(exactly, Logits(), path), x, rows(t), rows(chance)).mean[:, 0]
    torch.testing.assert_close(after, marginal)


@spaces
def test_a_redraw_keeps_the_marginal_of_two_symbols_to_the_square_of_its_chance(space):
    path, t = Mixture(space), 0.5
    x, field = every_state(space.size, 2), exact(path)
    marginal, rows = field.net.marginal(x, t), lambda v: torch.full((len(x),), v, dtype=torch.float64)
    error = [
        (marginal @ matrix(Corrected(ExactJump(path), path).redraw(field, x, rows(t), rows(c)).mean) - marginal)
        .abs()
        .max()
        .item()
        for c in (2e-3, 1e-3)
    ]
    assert error[0] / error[1] == pytest.approx(4, rel=0.02)


@spaces
def test_the_rate_of_redraws_is_that_of_the_corrected_rates(space):
    """u-bar = (1 + q) u - q u-check, off the diagonal and to first order in the step."""
    path, q, h, t = Mixture(space, Polynomial(2)), 1.7, 1e-6, 0.6
    exactly = TokenLaw(DIAGONAL).along(path)
    x, rows = (
        every_state(space.size, 2),
        lambda v: torch.full((len(every_state(space.size, 2)),), v, dtype=torch.float64),
    )
    corrected, field = Corrected(ExactJump(path), path, strength=q), NetField(exactly, Logits(), path)
    after = corrected.redraw(field, x, rows(t), corrected.chance(rows(t - h), rows(t))).mean
    source = path.tokens.noise_probs(exactly.table).expand(*x.shape, space.size)
    extra = q * (exactly.rates(x, t) - path.backward(Probabilities(source), x, rows(t)))
    off = torch.ones_like(after).scatter(-1, x[..., None], 0.0)
    torch.testing.assert_close(off * after / h, off * extra, rtol=1e-4, atol=1e-4)


@spaces
@pytest.mark.parametrize("times", [1, 2])
def test_a_corrected_chain_arrives_at_the_law(space, times):
    path, n = Mixture(space), 10_000
    solver = Corrected(ExactJump(path), path, strength=lambda t: 4 * t * (1 - t), times=times)
    solution = solve(
        exact(path), space.noise(torch.zeros(n, 2), generator=gen()), grid(24), solver=solver, generator=gen(1)
    )
    assert solution.nfe == 24 * (1 + times)
    assert table_variation(solution.x, DIAGONAL) < 2 * table_variation_floor(DIAGONAL, n) + 1 / 24  # see above


def test_masks_revealed_one_at_a_time_in_a_random_order_are_the_exact_chain():
    path, n = Mixture(MASKED), 20_000
    start = torch.full((n, 2), 3)
    at_once = solve(exact(path), start, grid(1), solver=Unmask(path, math.inf), generator=gen()).x
    one_by_one = solve(exact(path), start, grid(2), solver=Unmask(path, math.inf), generator=gen()).x
    floor = table_variation_floor(DIAGONAL, n)
    assert table_variation(one_by_one, DIAGONAL) < 2 * floor
    assert table_variation(at_once, DIAGONAL) > 0.4  # the product of the marginals


def test_the_surest_mask_comes_first_and_as_many_as_the_time_asks_for():
    path = Mixture(Tokens(2, mask=True), Polynomial(2))
    table = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    table[:, 0, :, 1] = 0.25  # the second and the last are sure
    field, x = NetField(TokenLaw(table).along(path), Logits(), path), torch.full((64, 4), 2)
    solution = solve(field, x, [0.0, 0.71, 0.87, 1.0], solver=Unmask(path), generator=gen(), save=True)
    assert (solution.xs[1] == torch.tensor([2, 0, 2, 1])).all()
    assert [(xs != 2).sum(1).unique().tolist() for xs in solution.xs] == [[0], [2], [3], [4]]
    assert solution.nfe == 3


def test_a_temperature_of_one_is_the_field_and_a_low_one_takes_the_likely():
    path = Mixture(MASKED)
    field, x, t = exact(path), torch.tensor([[3, 0], [3, 3]]), torch.full((2,), 0.3)
    assert torch.equal(Tempered(field, 1.0)(x, t), field(x, t))
    assert Tempered(field).span == field.span
    p = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    cold = Tempered(NetField(TokenLaw(p).along(path), Logits(), path), lambda t: 0.5 * torch.ones_like(t))
    found = ExactJump(path).law(cold, torch.tensor([[3]]), torch.zeros(1), torch.ones(1)).mean[0, 0, :3]
    torch.testing.assert_close(found, p**2 / (p**2).sum(), rtol=0, atol=1e-6)
    with pytest.raises(Incompatible, match="law of a field"):
        Tempered(lambda x, t, cond=None: x)
    with pytest.raises(InvalidInput, match="temperature is 0"):
        Tempered(field, 0.0)


@pytest.mark.parametrize("event", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("make", [ExactJump, Unmask, lambda path: Corrected(ExactJump(path), path)])
def test_events_of_any_shape_and_draws_that_can_be_repeated(make, event):
    path = Mixture(MASKED)

    class Net(torch.nn.Module):
        def forward(self, x, t, cond=None):
            return torch.nn.functional.one_hot(x.roll(1, -1) if x.ndim > 1 else x, 4)[..., :3].float() + t.mean()

    field, x = NetField(Net(), Logits(), path), torch.full((5, *event), 3)
    runs = [solve(field, x, grid(4), solver=make(path), generator=gen()).x for _ in range(2)]
    assert runs[0].shape == x.shape
    assert runs[0].max() < 3
    assert torch.equal(*runs)


@pytest.mark.parametrize("make", [ExactJump, Unmask, lambda path: Corrected(Euler(MASKED), path)])
def test_other_paths_and_dynamics_are_refused(make):
    with pytest.raises(Incompatible, match=r"path is Affine.*, expected that of the tokens"):
        make(Affine())
    solver = make(Mixture(MASKED))
    assert isinstance(solver, Solver)
    with pytest.raises(Incompatible, match=r"law of the data|gave"):
        solve(lambda x, t, cond: torch.zeros(2, 1, 4), torch.full((2, 1), 3), grid(1), solver=solver)


def test_numbers_out_of_range_are_refused():
    path = Mixture(UNIFORM)
    with pytest.raises(Incompatible, match="reveals masks"):
        Unmask(path)
    with pytest.raises(InvalidInput, match="noise is -1"):
        Unmask(Mixture(MASKED), -1.0)
    with pytest.raises(InvalidInput, match="times is 0"):
        Corrected(ExactJump(path), path, times=0)
    with pytest.raises(InvalidInput, match="strength is -1"):
        Corrected(ExactJump(path), path, strength=-1.0)
    with pytest.raises(Incompatible, match="counts the jumps of tokens"):
        grids.EqualJumps()(4, path=Affine())
