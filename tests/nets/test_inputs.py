import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.nets.inputs import check_events, check_sizes


def test_sizes_come_back_as_a_tuple():
    assert check_sizes("Net", [1, 8, 8], width=3) == (1, 8, 8)


@pytest.mark.parametrize("t", [torch.zeros(4, 1), torch.zeros(()), torch.zeros(3)])
def test_times_of_another_shape_are_refused(t):
    """Asked here and not of a network: while tests run, the annotations there refuse it first."""
    with pytest.raises(InvalidInput, match=r"t has shape .*, expected \[4\] \(one time per row\)"):
        check_events(torch.zeros(4, 2), t, (2,))


def test_states_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match=r"x has shape \[4, 3\], this network was built for \[B, 2\]"):
        check_events(torch.zeros(4, 3), torch.zeros(4), (2,))
