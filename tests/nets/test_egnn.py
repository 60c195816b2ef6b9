"""A network that turns, mirrors, shifts and renumbers with its points."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.nets import EGNN

EXACT = {torch.float32: 1e-5, torch.float64: 1e-12}
each = pytest.mark.parametrize("dtype", EXACT)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(n, d, dtype, b=6):
    return 2 * torch.randn(b, n, d, generator=gen(), dtype=dtype), torch.rand(b, generator=gen(1), dtype=dtype)


def near(a, b, dtype):
    assert (a - b).abs().max() <= EXACT[dtype] * max(1.0, float(b.detach().abs().max()))


@each
@pytest.mark.parametrize("d", [2, 3])
def test_it_turns_mirrors_and_shifts_with_its_points(d, dtype, perturbed):
    net, (x, t) = perturbed(EGNN((5, d), width=32)).to(dtype), draws(5, d, dtype)
    v = net(x, t).detach()
    assert v.abs().max() > 0.1
    near(v.mean(1), torch.zeros_like(v[:, 0]), dtype)
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=gen(2), dtype=dtype))
    mirror = torch.eye(d, dtype=dtype)
    mirror[0, 0] = -1
    for turn in (q, q @ mirror):
        near(net(x @ turn.T + 1.5, t), v @ turn.T, dtype)


@each
def test_it_renumbers_with_its_points(dtype, perturbed):
    net, (x, t) = perturbed(EGNN((5, 3), width=32)).to(dtype), draws(5, 3, dtype)
    order = torch.tensor([3, 1, 4, 0, 2])
    near(net(x[:, order], t), net(x, t)[:, order], dtype)


def test_points_of_one_species_alone_change_places(perturbed):
    dtype, fixed = torch.float64, [0, 0, 1, 1, 1]
    net, (x, t) = perturbed(EGNN((5, 3), species=fixed, width=32)).to(dtype), draws(5, 3, dtype)
    within, across = torch.tensor([1, 0, 4, 2, 3]), torch.tensor([2, 1, 0, 3, 4])
    near(net(x[:, within], t), net(x, t)[:, within], dtype)
    assert (net(x[:, across], t) - net(x, t)[:, across]).abs().max() > 1e-3


def test_species_may_come_with_the_condition(perturbed):
    dtype = torch.float64
    net, (x, t) = perturbed(EGNN((5, 3), species=3, classes=4, width=32)).to(dtype), draws(5, 3, dtype)
    species, label = torch.randint(3, (6, 5), generator=gen(3)), torch.randint(4, (6,), generator=gen(4))
    v = net(x, t, {"species": species, "label": label})
    order = torch.tensor([3, 1, 4, 0, 2])  # points are renumbered with their species
    near(net(x[:, order], t, {"species": species[:, order], "label": label}), v[:, order], dtype)
    for other in ({"species": (species + 1) % 3, "label": label}, {"species": species}):
        assert (net(x, t, other) - v).abs().max() > 1e-3
    near(net(x, t), net(x, t, {"species": torch.full_like(species, -1)}), dtype)
    told = perturbed(EGNN((5, 3), species=2, features=2, width=32)).to(dtype)
    assert told(x, t, {"species": species.clamp_max(1), "vector": torch.ones(6, 2, dtype=dtype)}).isfinite().all()


def test_points_that_meet_are_no_trouble(perturbed):
    """Values and gradients are finite, and nearby sets have nearby answers."""
    net = perturbed(EGNN((4, 2), width=32)).double()
    x, t = torch.zeros(1, 4, 2, dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64)
    v = net(x, t).detach()
    assert torch.equal(v, torch.zeros_like(v))
    pairs = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x, t), x)
    assert jacobian.isfinite().all()
    step = 1e-5 * torch.randn(1, 4, 2, generator=gen(), dtype=torch.float64)
    first = torch.einsum("bndcme,cme->bnd", torch.autograd.functional.jacobian(lambda x: net(x, t), pairs), step)
    torch.testing.assert_close(net(pairs + step, t) - net(pairs, t), first, rtol=1e-3, atol=1e-9)


def test_one_point_never_moves(perturbed):
    net = perturbed(EGNN((1, 3), width=16))
    assert torch.equal(net(torch.ones(2, 1, 3), torch.zeros(2)), torch.zeros(2, 1, 3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": (4,)}, r"shape=\[4\], expected \(N, d\)"),
        ({"shape": (4, 2), "species": 0}, "species=0, expected at least 1"),
        ({"shape": (4, 2), "species": [0, 1]}, r"species=\[0, 1\], expected 4 numbers from 0 up"),
        ({"shape": (4, 2), "species": [0, -1, 0, 0]}, "numbers from 0 up"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(given, message):
    with pytest.raises(InvalidInput, match=message):
        EGNN(**given)


def test_conditions_of_another_kind_are_refused():
    net, x, t = EGNN((4, 2), species=2, width=8), torch.zeros(3, 4, 2), torch.zeros(3)
    for cond in (torch.zeros(3, dtype=torch.int64), {"kind": torch.zeros(3, 4)}, {"species": x, "label": t}):
        with pytest.raises(InvalidInput, match="expected a mapping with species: this network is told the species"):
            net(x, t, cond)
    with pytest.raises(InvalidInput, match=r"species is torch.int64 of shape \[3, 5\], expected int64 of shape \[3, 4"):
        net(x, t, {"species": torch.zeros(3, 5, dtype=torch.int64)})
