"""What an evaluation compares with what, whatever the order and the number of the rows."""

import math

import pytest
import torch

from pushforward.config import Evaluation
from pushforward.core import InvalidInput
from pushforward.data import Arrays, Dataset, Standardise
from pushforward.flow import Flow, evaluate

SMALL = {"steps": 2, "batch_size": 16, "workers": 0}


def normal(n, seed=0):
    return torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))


class Real(Flow):
    """Stands for a flow that has learned its data: gives rows of the very law."""

    def __init__(self, data):
        super().__init__(seed=0)
        self.data = data

    def dataset(self):
        return self.data

    def sample(self, n, cond=None, *, generator=None):
        return normal(n, seed=9)

    def score(self, x, cond=None):
        return 0.0


def test_sorted_files_are_compared_with_as_unsorted_ones():
    """Perfect samples lie as far from the held-out rows as other rows of the data do, up to the noise of both.

    The first 500 of 1000 sorted rows are all below 0: W2 is then above 1, ten times the floor.
    """
    x = normal(6000)
    test = x[5000:].sort(0).values
    found = evaluate(Real(Dataset(Arrays(x[:5000]), Arrays(test)))).metrics
    assert found["wasserstein"] < 3 * found["wasserstein_floor"]
    assert found["wasserstein"] < 0.3
    assert found["recall"] > 0.9


def test_held_out_conditions_stay_beside_their_rows():
    x = normal(40)
    data = Dataset(Arrays(x, x + 1), Arrays(x.sort(0).values, x.sort(0).values + 1))
    found = evaluate(Real(data))
    torch.testing.assert_close(found.real_cond, found.real + 1)
    assert not torch.equal(found.real, x.sort(0).values)
    assert torch.equal(found.real.sort(0).values, x.sort(0).values)


@pytest.mark.parametrize("held", [2, 3, 5])
def test_few_held_out_rows_give_fewer_figures(held):
    found = evaluate(Real(Dataset(Arrays(normal(50)), Arrays(normal(held, 1))))).metrics
    assert "wasserstein" in found
    assert not {"precision", "recall", "coverage"} & set(found)
    assert all(math.isfinite(value) for value in found.values())
    assert "recall" in evaluate(Real(Dataset(Arrays(normal(50)), Arrays(normal(6, 1))))).metrics


def test_flows_fitted_to_arrays_are_judged_by_rows_that_are_given():
    flow = Flow(net={"type": "MLP", "width": 8}, training=SMALL).fit(normal(50))
    assert flow.dataset().test is None
    with pytest.raises(InvalidInput, match=r"no rows were held out.*evaluate\(flow, data="):
        evaluate(flow)
    data = Dataset(Arrays(normal(50)), Arrays(normal(30, 1)), transform=Standardise.fit(normal(50)))
    found = evaluate(flow, Evaluation(samples=20), data=data)
    assert {"wasserstein", "copies", "nll"} <= set(found.metrics)
    assert torch.equal(found.real.sort(0).values, normal(30, 1).sort(0).values)


def test_fitting_data_with_a_test_part_may_be_validated_and_judged():
    data = Dataset(Arrays(normal(50)), Arrays(normal(30, 1)))
    flow = Flow(net={"type": "MLP", "width": 8}, training=SMALL | {"validate_every": 1}).fit(data)
    assert any("validation_loss" in line for line in flow.history_)
    assert evaluate(flow, Evaluation(samples=20)).metrics["wasserstein"] > 0
