import math

import numpy as np
import pytest
import torch

from pushforward.bench.carflow import CARFlowLine, _Net, exact_length
from pushforward.bench.published import CAR_FLOW_LENGTHS
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine
from pushforward.solvers import RK4, solve


def test_the_net_has_as_many_weights_as_the_papers():
    assert sum(p.numel() for p in _Net().parameters()) == 1993


def test_the_exact_length_is_that_of_the_oracles_trajectories():
    x0 = torch.from_numpy(np.random.default_rng(0).standard_normal((500, 1)))
    x0 = torch.cat([x0, -x0])
    field = GaussianMixture([[1.5]], [[[0.04]]]).along(Affine())
    xs = solve(field, x0, torch.linspace(0, 1, 101, dtype=torch.float64), solver=RK4(), save=True).xs
    rows = xs.diff(dim=0).abs().sum(0)
    assert abs(rows.mean() - exact_length(1.5, 0.2)) < 4 * rows.std() / math.sqrt(len(rows)) + 2e-3
    # aligned, the path is monotone but for its last part: (1 - least) + (0.2 - least) standard deviations of noise
    least = 0.2 / math.sqrt(1.04)
    assert exact_length(0.0, 0.2) == pytest.approx((1.2 - 2 * least) * math.sqrt(2 / math.pi), abs=1e-4)


def test_the_first_published_length_is_the_exact_one():
    assert exact_length(1.5, 0.2) == pytest.approx(CAR_FLOW_LENGTHS[0].value, abs=5e-4)


def test_every_kind_of_shift_is_measured(tmp_path):
    from pushforward.bench import Job

    rows = [row for case in CARFlowLine(2, 10, (0,)).measure(Job((), tmp_path, lambda line: None)) for row in case]
    names = {row.method for row in rows if row.seed == 0}
    assert names == {"plain", "CARFlow, source", "CARFlow, target", "CARFlow, joint"}
    assert all(math.isfinite(row.value) for row in rows)
    assert [row.value for row in rows if row.source == "published"] == [1.5355, 0.7432, 0.7129, 0.7121]
