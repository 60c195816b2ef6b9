"""Tables of places: what is read is what the formula says."""

import pytest
import torch

from pushforward.core import InvalidInput, jvp
from pushforward.nets import HashGrid


@pytest.fixture
def net():
    torch.manual_seed(0)
    return HashGrid((2,), levels=2, coarsest=4, finest=8, entries=12, channels=1, width=8).double()


def test_a_corner_holds_its_own_entry(net):
    """Corner (i, j) of a level of n cells is at -1 + 2 i / n; its entry is i xor 2654435761 j, cut to 12 bits."""
    for level, n in enumerate((4, 8)):
        for i, j in ((0, 0), (1, 3), (n, 2)):
            x = torch.tensor([[-1 + 2 * i / n, -1 + 2 * j / n]], dtype=torch.float64)
            entry = (i ^ (2654435761 * j)) % 4096
            assert net._read(x)[0, level, 0] == net.table[4096 * level + entry, 0]


def test_between_corners_weights_are_smooth_steps(net):
    """Entries 1 at the right of a cell and 0 at its left read as 3 r^2 - 2 r^3."""
    x = torch.stack([torch.linspace(-1, -0.5, 9, dtype=torch.float64), torch.full((9,), -1.0, dtype=torch.float64)], 1)
    with torch.no_grad():
        net.table.zero_()
        for j in (0, 1):
            net.table[(1 ^ (2654435761 * j)) % 4096] = 1.0
    r = torch.linspace(0, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(net._read(x)[:, 0, 0], 3 * r**2 - 2 * r**3, rtol=0, atol=1e-15)


def test_answers_have_a_derivative_across_cells(net):
    """Both sides of a wall of the grid, at a distance e: derivatives differ by O(e)."""

    def derivative(at):
        x = torch.tensor([[at, 0.3]], dtype=torch.float64)
        return jvp(lambda x: net(x, torch.full((1,), 0.9, dtype=torch.float64)), (x,), (torch.ones_like(x),))[1]

    left, right, wide = derivative(-0.5 - 1e-7), derivative(-0.5 + 1e-7), derivative(-0.45)
    assert (left - right).abs().max() < 1e-5 * (wide - right).abs().max() + 1e-6 * right.abs().max()


def test_a_row_teaches_its_own_cells_alone(net):
    x = torch.tensor([[0.1, 0.2]], dtype=torch.float64)
    net._read(x).sum().backward()
    touched = (net.table.grad[:, 0] != 0).unflatten(0, (2, 4096)).sum(1)
    assert touched.tolist() == [4, 4]  # the four corners, at each level


def test_fine_cells_are_closed_while_time_is_early(net):
    """At t = 0 the gate of a level of n cells is 1 / (1 + n^2), at t = 1 it is 1."""
    seen = []
    net.first.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0][0, 2:4]))
    x = torch.tensor([[0.1, 0.2]], dtype=torch.float64)
    for t in (0.0, 1.0):
        net(x, torch.tensor([t], dtype=torch.float64))
    gate = 1 / (1 + torch.tensor([4.0, 8.0], dtype=torch.float64).square())
    torch.testing.assert_close(seen[0], gate * seen[1], rtol=1e-14, atol=0)
    torch.testing.assert_close(seen[1], 10 * net._read(x)[0, :, 0], rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": (5,)}, "at most 4 coordinates"),
        ({"shape": (1, 8, 8)}, "one axis"),
        ({"finest": 4}, "finest=4 below coarsest=8"),
        ({"entries": 30}, "exponent of 2 from 1 to 24"),
        ({"low": 1.0}, "expected low < high"),
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(InvalidInput, match=message):
        HashGrid(**{"shape": (2,), **given})
