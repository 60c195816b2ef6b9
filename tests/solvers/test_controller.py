import itertools

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.solvers import PI, Dopri5, solve

NO = torch.tensor([False])


def factor(error, previous=1.0, rejected=False, **changes):
    return (
        PI(**changes).factor(torch.tensor([error]), torch.tensor([previous]), torch.tensor([rejected]), order=5).item()
    )


def test_without_history_it_is_the_plain_controller():
    # the error of a step is proportional to h^5: a factor (safety^5 / e)^(1/5) would bring it to safety^5
    assert factor(2.0**-5, beta=0.0, safety=0.9) == pytest.approx(1.8)
    assert factor(2.0**5, beta=0.0, safety=0.9) == pytest.approx(0.45)


def test_errors_that_fell_let_the_step_grow_less():
    assert factor(0.1, previous=0.01) < factor(0.1, previous=0.1) < factor(0.1, previous=1.0)


def test_a_rejected_step_forgets_history():
    assert factor(5.0, previous=1e-4) == factor(5.0, previous=1.0) < 0.9


def test_factors_stay_between_their_ends():
    assert factor(0.0) == 10.0
    assert factor(torch.inf) == pytest.approx(0.2)
    assert factor(0.0, rejected=True) == 1.0
    assert factor(0.0, grow=3.0) == 3.0


def test_smooth_problems_are_hardly_ever_rejected():
    calls = []
    field = lambda x, t, cond: calls.append(t[0].item()) or torch.cos(20 * t[:, None]) * x
    solve(field, torch.ones(1, 1, dtype=torch.float64), [0.0, 3.0], solver=Dopri5(1e-6, 1e-6))
    ends = calls[7::6]  # the last stage of every step sits at its end
    rejected = sum(b <= a for a, b in itertools.pairwise(ends))
    assert rejected <= 0.15 * len(ends)


@pytest.mark.parametrize(
    "wrong", [{"safety": 1.0}, {"beta": 0.3}, {"shrink": 0.0}, {"grow": 1.0}, {"max_steps": 0}], ids=str
)
def test_refuses_numbers_out_of_range(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        PI(**wrong)
