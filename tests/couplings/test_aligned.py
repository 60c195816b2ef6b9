"""Pairs of point sets that lie near each other once turned and renumbered."""

import threading

import pytest
import torch

from pushforward.core import Coupling, InvalidInput, Pairs
from pushforward.couplings import Aligned, AlignedDistance, EquivariantOT, ExactOT, Independent
from pushforward.metrics import energy_distance, with_floor
from pushforward.spaces import Centred

SPACE = Centred()
BOTH = {"Aligned": Aligned(), "EquivariantOT": EquivariantOT()}
both = pytest.mark.parametrize("coupling", BOTH.values(), ids=BOTH)
POSE = SPACE.project(torch.tensor([[[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [4.0, 4.0]]]))


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(b, n=4, d=2, seed=0):
    return SPACE.noise(torch.empty(b, n, d), generator=gen(seed))


def turned(b, seed):
    """One shape in uniform directions and orders: a law that the group does not change, far from the noise."""
    angle = 2 * torch.pi * torch.rand(b, generator=gen(seed))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(b, 2, 2)
    order = torch.rand(b, 4, generator=gen(seed + 1)).argsort(1)
    return (POSE @ turn.mT).gather(1, order[..., None].expand(b, 4, 2))


def length(pairs):
    return (pairs.x0 - pairs.x1).square().sum((1, 2))


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_data_and_conditions_stay_and_sources_keep_their_shape(coupling, dtype):
    x0, x1, index = noise(40).to(dtype), turned(40, 5).to(dtype), torch.arange(40)
    pairs = coupling(x0, x1, index, generator=gen())
    assert isinstance(coupling, Coupling)
    assert isinstance(pairs, Pairs)
    assert pairs.x1.equal(x1)
    assert pairs.cond.equal(index)
    assert pairs.x0.dtype == dtype
    inner = lambda x: torch.stack([torch.pdist(p) for p in x])
    shapes, found = inner(x0).sort(1).values, inner(pairs.x0).sort(1).values
    origin = torch.cdist(found, shapes).argmin(1)
    torch.testing.assert_close(found, shapes[origin])
    assert origin.sort().values.equal(index)  # every source once
    torch.testing.assert_close(pairs.x0.mean(1), torch.zeros(40, 2, dtype=dtype), rtol=0, atol=1e-6)
    again = coupling(x0, x1, index, generator=gen(1))
    assert again.x0.equal(pairs.x0)  # nothing is drawn


def test_every_step_makes_the_paths_shorter():
    x0, x1 = noise(128), turned(128, 5)
    chance, plain, aligned, equivariant = (
        length(coupling(x0, x1)).mean() for coupling in (Independent(), ExactOT(), Aligned(), EquivariantOT())
    )
    assert equivariant < 0.95 * aligned
    assert aligned < 0.8 * chance
    assert equivariant < 0.9 * plain


def test_equivariant_ot_is_made_of_its_parts():
    x0, x1 = noise(50), turned(50, 5)
    parts = Aligned(ExactOT(AlignedDistance()))
    torch.testing.assert_close(EquivariantOT()(x0, x1).x0, parts(x0, x1).x0)
    cost = AlignedDistance(rounds=3)(x0[:7], x1)
    assert cost.shape == (7, 50)
    torch.testing.assert_close(cost.diagonal(), length(Aligned()(x0[:7], x1[:7])))


def test_blocks_of_pairs_do_not_change_the_cost(monkeypatch):
    x0, x1 = noise(9), turned(11, 5)
    species = torch.randint(2, (11, 4), generator=gen())
    from pushforward.couplings import equivariant_ot

    whole = equivariant_ot._distances(x0, x1, species, False, 2)
    monkeypatch.setattr(equivariant_ot, "_BLOCK", 3 * x0.numel())
    torch.testing.assert_close(equivariant_ot._distances(x0, x1, species, False, 2), whole)


@both
def test_the_law_of_the_source_stays_for_data_without_a_direction(coupling):
    """Covariance I - 1/N on the points, to five standard errors; and no distance between samples sees a change."""
    b = 4096
    found = torch.cat([coupling(noise(256, seed=k), turned(256, 100 + 2 * k)).x0 for k in range(b // 256)])
    flat = found.flatten(1)
    exact = torch.kron(torch.eye(4) - 0.25, torch.eye(2))
    # Var x_i x_j = s_ii s_jj + s_ij^2 <= 2 (3/4)^2 for normal rows
    assert ((flat.T @ flat) / b - exact).abs().max() < 5 * (2 * 0.75**2 / b) ** 0.5
    distance = lambda x, y: energy_distance(x.flatten(1), y.flatten(1))
    told = with_floor(distance, found[:1500], noise(1500, seed=999), noise(1500, seed=998), generator=gen())
    moved = with_floor(distance, 1.2 * found[:1500], noise(1500, seed=999), noise(1500, seed=998), generator=gen())
    assert told.value < 0.3 * moved.value  # a fifth more spread would be seen


def test_data_in_one_pose_turn_the_sources_to_it():
    """Why the docstring asks for data without a direction, or an equivariant network."""
    found = Aligned()(noise(2000), POSE.expand(2000, 4, 2)).x0
    assert found.mean(0).norm() > 1.0


def test_a_species_is_never_mixed_with_another():
    x0, x1 = noise(60, 5, 3), 10 * noise(60, 5, 3, seed=1)
    fixed = (0, 1, 0, 1, 1)
    own = torch.randint(2, (60, 5), generator=gen(3))
    # a mark by which a point is known: its distance to the origin
    for coupling in (Aligned, EquivariantOT):
        for species, cond in ((fixed, None), (None, {"species": own}), (fixed, {"species": own})):
            pairs = coupling(species=species)(x0, x1, cond)
            marks, source = pairs.x0.norm(dim=2), x0.norm(dim=2)
            kinds = torch.tensor([fixed]).expand(60, 5) if cond is None else own
            row = torch.cdist(marks.sort(1).values, source.sort(1).values).argmin(1)
            for kind in (0, 1):
                here = torch.where(kinds == kind, marks, 0.0).sort(1).values
                there = torch.where(kinds == kind, source[row], 0.0).sort(1).values
                torch.testing.assert_close(here, there)


def test_mirror_images_count_where_they_are_told_to():
    x1 = noise(20, 5, 3)
    x0 = x1 * torch.tensor([-1.0, 1.0, 1.0])
    numbered = tuple(range(5))
    assert length(Aligned(species=numbered)(x0, x1)).min() > 1e-3
    assert length(Aligned(species=numbered, reflections=True)(x0, x1)).max() < 1e-8
    assert AlignedDistance(numbered, reflections=True)(x0, x1).diagonal().max() < 1e-8


@both
def test_gradients_reach_the_sources_and_no_rotation(coupling):
    x0, x1 = noise(10).requires_grad_(), turned(10, 5).requires_grad_()
    pairs = coupling(x0, x1)
    pairs.x0.square().sum().backward()
    torch.testing.assert_close(x0.grad, 2 * x0.detach())  # rotations keep lengths
    assert x1.grad is None


@both
def test_a_worker_thread_gives_the_same(coupling):
    x0, x1, answers = noise(32), turned(32, 5), []
    thread = threading.Thread(target=lambda: answers.append(coupling(x0, x1)))
    thread.start()
    thread.join()
    assert answers[0].x0.equal(coupling(x0, x1).x0)


@both
def test_refusals(coupling):
    with pytest.raises(InvalidInput, match=r"x0 has shape \[4, 2\] .* expected point sets \[B, N, d\]"):
        coupling(torch.zeros(4, 2), torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="expected point sets"):
        coupling({"a": torch.zeros(4, 2)}, {"a": torch.zeros(4, 2)})
    with pytest.raises(InvalidInput, match=r"\[4, 3, 2\] and x1 \[5, 3, 2\]"):
        coupling(torch.zeros(4, 3, 2), torch.zeros(5, 3, 2))
    with pytest.raises(InvalidInput, match="not finite"):
        coupling(torch.full((4, 3, 2), torch.nan), torch.zeros(4, 3, 2))
    with pytest.raises(InvalidInput, match=r"species has shape \[1, 2\]"):
        type(coupling)(species=(0, 1))(torch.zeros(4, 3, 2), torch.zeros(4, 3, 2))
    with pytest.raises(InvalidInput, match="rounds is 0"):
        type(coupling)(rounds=0)


def test_refusals_of_parts():
    with pytest.raises(InvalidInput, match="tolerance is 2"):
        EquivariantOT(tolerance=2)
    with pytest.raises(InvalidInput, match="rounds is 0"):
        AlignedDistance(rounds=0)
