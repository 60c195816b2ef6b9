"""Sequences of events: gaps, counts and what is left of the watch."""

import pytest
import torch

from pushforward.core import Events, InvalidInput

close = torch.testing.assert_close


def test_gaps_count_and_rest_tell_times_and_end():
    events = Events.at([[0.5, 2.0, 2.5], [], [3.0]], end=3.0, length=5)
    assert events.gaps.shape == (3, 5)
    assert events.number.tolist() == [3, 0, 1]
    close(events.times[0], torch.tensor([0.5, 2.0, 2.5, 2.5, 2.5]))
    close(events.end, torch.full((3,), 3.0))
    close(events.rest, torch.tensor([0.5, 3.0, 0.0]))
    assert events.real.sum(1).tolist() == [3, 0, 1]
    assert Events(**events._asdict()) is not events


@pytest.mark.parametrize("times", [[2.0, 1.0], [1.0, 1.0], [0.0], [4.0]])
def test_times_out_of_order_or_out_of_the_watch_are_refused(times):
    with pytest.raises(InvalidInput, match="do not increase inside"):
        Events.at([[1.0], times], end=3.0)


def test_a_row_longer_than_the_length_is_refused():
    with pytest.raises(InvalidInput, match="length is 1, but a row has 2 events"):
        Events.at([[1.0, 2.0]], end=3.0, length=1)
