"""Sources near the data's rotations."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.couplings import DataDependent, TurnedData
from pushforward.spaces import IGSO3, SE3, SO3

BLANK = {"shift": torch.empty(20_000, 1, 3), "rotation": torch.empty(20_000, 1, 3, 3)}


def test_turns_from_the_data_are_the_reference_and_shifts_are_noise():
    """E cos w = (3 e^(-sigma^2) - 1) / 2; means of 20,000 within 4 standard errors."""
    x1 = SE3().noise(BLANK, generator=torch.Generator().manual_seed(0))
    pairs = DataDependent(TurnedData())(x1, x1, generator=torch.Generator().manual_seed(1))
    assert pairs.x1 is x1
    cos = SO3().distance(pairs.x0["rotation"], x1["rotation"]).cos()
    assert abs(float(cos.mean()) - (3 * math.exp(-2.25) - 1) / 2) < 4 * float(cos.std()) / len(cos) ** 0.5
    torch.testing.assert_close(SO3().project(pairs.x0["rotation"]), pairs.x0["rotation"], rtol=0, atol=1e-5)
    shift = pairs.x0["shift"].flatten()
    assert abs(float(shift.mean())) < 4 / len(shift) ** 0.5
    assert abs(float(shift.square().mean()) - 1) < 4 * (2 / len(shift)) ** 0.5
    assert abs(float((shift * x1["shift"].flatten()).mean())) < 4 / len(shift) ** 0.5


def test_the_same_generator_gives_the_same_source_and_every_leaf_may_be_rotations():
    x1 = SO3().noise(torch.empty(4, 2, 3, 3, dtype=torch.float64), generator=torch.Generator().manual_seed(0))
    source = TurnedData(IGSO3(0.2), part=None, space=SO3())
    one, two = (source(x1, None, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.dtype == torch.float64


def test_refusals():
    with pytest.raises(Incompatible, match="use SO3"):
        TurnedData(part=None)
    with pytest.raises(InvalidInput, match="part 'rotation'"):
        TurnedData()(torch.zeros(3, 3, 3), None)
