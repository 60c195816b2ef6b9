import math
from pathlib import Path

import pytest
import torch

from pushforward.bench import Discrete, Job
from pushforward.bench.discrete import checkerboard_table, law_at_end
from pushforward.fields import Logits, NetField
from pushforward.oracles import TokenLaw
from pushforward.paths import Mixture
from pushforward.solvers import Euler, ExactJump
from pushforward.spaces import Tokens


@pytest.mark.story
def test_steps_bounds_and_a_training():
    lines = []
    suite = Discrete(steps=(8, 64), points=500, strata=8, training=2)
    cases = list(suite.measure(Job((), Path("unused"), lines.append)))
    found = {(row.case, row.method): row.value for rows in cases for row in rows}
    straight = "two symbols of three, mask, CondOT, exact posterior"
    assert found[straight, "ExactJump, 64 steps"] < found[straight, "ExactJump, 8 steps"] / 7
    assert found[straight, "ExactJump, 8 steps"] < found[straight, "Euler, 8 steps"]
    assert found["two symbols of three, mask, 500 draws", "ExactJump, 64 steps"] < 2
    board = "checkerboard of 128 x 128 cells, mask"
    assert found[board, "entropy"] == pytest.approx(4.5055, abs=5e-5)
    # one row's estimate from 8 strata has a deviation of 1.9 nats a symbol
    assert abs(found[board, "exact posterior"] - found[board, "entropy"]) < 4 * 1.9 / 500**0.5
    guessing = math.log(128)
    assert found[board, "transformer, 2 steps"] == pytest.approx(guessing, abs=0.5)
    assert len(lines) == 2 * (3 * 2 + 1) + 2 * 2


def test_the_board_has_half_of_all_cells():
    table = checkerboard_table()
    assert (table > 0).sum() == 8192
    assert TokenLaw(table).entropy() == pytest.approx(math.log(8192))
    assert table[0, 0] > 0
    assert table[0, 40] == 0


@pytest.mark.parametrize("space", [Tokens(2), Tokens(2, mask=True)], ids=str)
def test_independent_symbols_arrive_exactly(space):
    p = torch.tensor([0.7, 0.3], dtype=torch.float64)
    path, table = Mixture(space), torch.outer(p, p)
    field = NetField(TokenLaw(table).along(path), Logits(), path)
    exact = law_at_end(ExactJump(path), field, torch.linspace(0, 1, 3, dtype=torch.float64))
    torch.testing.assert_close(exact[:2, :2], table)
    euler = law_at_end(Euler(space), field, torch.linspace(0, 1, 3, dtype=torch.float64))
    assert (euler[:2, :2] - table).abs().max() > 0.01
