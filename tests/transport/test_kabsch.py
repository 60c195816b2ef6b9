"""The best rotation, and relabelling with it."""

import itertools

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import alignment, kabsch
from pushforward.transport.alignment import _assigned

F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def rotations(n, d, seed=0):
    """Uniform in SO(d)."""
    q, r = torch.linalg.qr(torch.randn(n, d, d, generator=gen(seed), dtype=F64))
    q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
    q[:, :, 0] *= torch.linalg.det(q)[:, None]
    return q


def sets(b, n, d, seed=0):
    x = torch.randn(b, n, d, generator=gen(seed), dtype=F64)
    return x - x.mean(1, keepdim=True)


def miss(q, x, y):
    return (y - x @ q.mT).square().sum((1, 2))


@pytest.mark.parametrize("d", [2, 3, 5])
def test_a_known_rotation_is_recovered(d):
    x, q = sets(20, 7, d), rotations(20, d)
    close(kabsch(x, x @ q.mT), q)
    close(torch.linalg.det(kabsch(x, sets(20, 7, d, 1))), torch.ones(20, dtype=F64))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("reflections", [False, True])
def test_no_other_rotation_is_better(d, reflections):
    x, trials = sets(10, 6, d), rotations(1000, d, 2)
    y = x @ rotations(10, d).mT + 0.3 * sets(10, 6, d, 3)
    if reflections:
        mirror = torch.ones(d, dtype=F64)
        mirror[0] = -1
        y, trials = y * mirror, torch.cat([trials, trials * mirror])
    found = kabsch(x, y, reflections=reflections)
    best = miss(found, x, y)
    for q in trials:
        assert (best <= miss(q.expand(10, d, d), x, y) + 1e-12).all()
    close(found @ found.mT, torch.eye(d, dtype=F64).expand(10, d, d))
    close(torch.linalg.det(found), torch.full((10,), -1.0 if reflections else 1.0, dtype=F64))


@pytest.mark.parametrize("d", [2, 3])
def test_a_mirror_image_is_reached_by_reflections_alone(d):
    x = sets(5, 6, d)
    y = x @ rotations(5, d).mT
    y[..., 0] *= -1
    assert (miss(kabsch(x, y), x, y) > 0.1).all()
    assert (miss(kabsch(x, y, reflections=True), x, y) < 1e-20).all()


def test_the_closed_form_in_the_plane_is_that_of_the_decomposition():
    """Points of the plane in space: the best rotation about the normal is the same, and so is its error."""
    x, y = sets(50, 5, 2), sets(50, 5, 2, 1)
    lift = lambda p: torch.cat([p, torch.zeros_like(p[..., :1])], -1)
    for reflections in (False, True):
        flat, h = kabsch(x, y, reflections=reflections), y.mT @ x
        s = torch.linalg.svdvals(h)
        sign = 1.0 if reflections else torch.linalg.det(h).sign()
        close((flat.mT @ h).diagonal(dim1=1, dim2=2).sum(1), s[:, 0] + sign * s[:, 1])
    # in space a half turn about an axis of the plane mirrors it
    close(miss(kabsch(lift(x), lift(y)), lift(x), lift(y)), miss(flat, x, y))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("reflections", [False, True])
def test_degenerate_sets_get_a_rotation(d, reflections):
    line = torch.linspace(-1, 1, 5)[:, None] * torch.ones(d)
    tilted = torch.linspace(-1, 1, 5)[:, None] * torch.eye(d)[0]
    for x, y in itertools.product((line, tilted, torch.zeros(5, d), torch.ones(5, d)), repeat=2):
        q = kabsch(x[None], y[None], reflections=reflections)
        assert q.isfinite().all()
        close(q[0] @ q[0].T, torch.eye(d))
        assert reflections or torch.linalg.det(q) > 0
    assert miss(kabsch(line[None], tilted[None] * d**0.5), line[None], tilted[None] * d**0.5) < 1e-10


def test_rows_dtypes_and_gradients():
    x, y = sets(6, 4, 3), sets(6, 4, 3, 1)
    close(kabsch(x[2], y[2]), kabsch(x, y)[2])
    close(kabsch(x.view(2, 3, 4, 3), y.view(2, 3, 4, 3)).view(6, 3, 3), kabsch(x, y))
    close(kabsch(x.float(), y.float()), kabsch(x, y).float(), rtol=0, atol=1e-5)
    assert kabsch(x.bfloat16(), y.bfloat16()).dtype == torch.float32
    assert not kabsch(x.requires_grad_(), y).requires_grad


def test_sets_of_other_shapes_are_refused():
    with pytest.raises(InvalidInput, match=r"\[1, 4, 3\] and \[1, 5, 3\] cannot be superposed"):
        kabsch(torch.zeros(1, 4, 3), torch.zeros(1, 5, 3))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_small_assignments_are_the_best(n):
    cost = torch.randn(40, n, n, generator=gen(n), dtype=F64)
    found = _assigned(cost, None)
    orders = torch.tensor(list(itertools.permutations(range(n))))
    every = cost[:, torch.arange(n), orders].sum(2)  # [40, n!]
    close(cost.gather(2, found[..., None]).sum((1, 2)), every.amin(1))
    close(found.sort(1).values, torch.arange(n).expand(40, n))


def test_large_assignments_are_those_of_scipy():
    from scipy.optimize import linear_sum_assignment

    cost = torch.rand(3, 60, 60, generator=gen(), dtype=F64)
    for row, found in zip(cost, _assigned(cost, None), strict=True):
        assert found.tolist() == linear_sum_assignment(row.numpy())[1].tolist()


def test_a_species_is_never_mixed_with_another():
    x, y = sets(200, 6, 3), 100 * sets(200, 6, 3, 1)
    fixed = torch.tensor([[0, 1, 0, 2, 1, 0]])
    found = alignment(x, y, species=fixed)
    assert fixed[0][found.permutation].equal(fixed.expand(200, 6))
    own = torch.randint(3, (200, 6), generator=gen(4))
    assert own.gather(1, alignment(x, y, species=own).permutation).equal(own)
    alone = torch.arange(6)[None]
    assert alignment(x, y, species=alone).permutation.equal(alone.expand(200, 6))


@pytest.mark.parametrize("reflections", [False, True])
def test_more_rounds_are_never_worse(reflections):
    x, y = sets(100, 7, 3), sets(100, 7, 3, 1)
    square = lambda p: (p - y).square().sum((1, 2))
    last = square(x)
    for rounds in range(1, 6):
        now = square(alignment(x, y, reflections=reflections, rounds=rounds)(x))
        assert (now <= last + 1e-12).all()
        last = now
    assert last.mean() < 0.6 * square(x).mean()


def test_turning_and_renumbering_both_does_the_same_to_the_answer():
    """What keeps the law of an aligned source invariant."""
    x, y, q = sets(50, 5, 3), sets(50, 5, 3, 1), rotations(50, 3)
    order = torch.tensor([3, 0, 4, 1, 2])
    here, there = alignment(x, y)(x), alignment((x @ q.mT)[:, order], (y @ q.mT)[:, order])((x @ q.mT)[:, order])
    close(there, (here @ q.mT)[:, order])


def test_a_turned_and_renumbered_copy_is_found():
    x, q = sets(100, 4, 2), rotations(100, 2)
    turned = x @ (0.1 * (q - q.mT) / 2).matrix_exp().mT  # by less than six degrees
    found = alignment(x[:, [2, 0, 3, 1]], turned)
    close(found(x[:, [2, 0, 3, 1]]), turned)


def test_refusals():
    x = torch.zeros(2, 3, 2)
    with pytest.raises(InvalidInput, match="rounds is 0"):
        alignment(x, x, rounds=0)
    with pytest.raises(InvalidInput, match=r"\[2, 3, 2\] and \[2, 4, 2\] cannot be aligned"):
        alignment(x, torch.zeros(2, 4, 2))
    with pytest.raises(InvalidInput, match=r"species has shape \[1, 2\]"):
        alignment(x, x, species=torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="not finite"):
        alignment(x, x * torch.nan)
