from itertools import groupby

import pytest
import torch

from pushforward.bench import SUITES, ConditionalTransport, Job
from pushforward.bench.conditional_ot import COUPLINGS, PUBLISHED, train

TINY = ConditionalTransport(steps=2, points=40, seeds=(3,))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    lines = []
    cases = list(TINY.measure(Job((), tmp_path_factory.mktemp("bench"), lines.append)))
    return [row for rows in cases for row in rows], lines


def test_rows(measured):
    rows, lines = measured
    assert {row.suite for row in rows} == {"c2ot"}
    own = [row for row in rows if row.source == "ours"]
    assert all("quick (2 steps, 40 points)" in row.case for row in own)
    for kind, further in (("labels", "class_squared_wasserstein"), ("first coordinate", "condition_error")):
        for solver in ("Euler 1 step", "adaptive"):
            here = [row for row in own if kind in row.case and row.case.endswith(solver)]
            found = {name: {row.metric for row in group} for name, group in groupby(here, lambda row: row.method)}
            assert found == {name: {"squared_wasserstein", further} for name in COUPLINGS}
    assert len(lines) == 2 * 2 * len(COUPLINGS)


def test_published_rows(measured):
    rows = [row for row in measured[0] if row.source == "published"]
    assert [row.value for row in rows] == [p.value for table in PUBLISHED.values() for p in table]
    assert all("quick" not in row.case and row.seed is None for row in rows)


def test_only_the_protocol_bears_its_name():
    assert ConditionalTransport(seeds=(0,))._case("labels") == "8 gaussians -> moons given labels"
    assert "quick" in SUITES["c2ot"].quick._case("labels")


def test_fields_depend_on_seed_and_condition():
    x, t, label = torch.ones(4, 2), torch.full((4,), 0.5), torch.tensor([0, 1, 0, 1])
    first, again, other = (train("labels", "ExactOT", steps=2, seed=k)(x, t, label) for k in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)
    assert not first[0].equal(first[1])


@pytest.mark.story
def test_plain_transport_harms_a_conditional_model_and_c2ot_does_not(tmp_path):
    """The paper's finding at a fortieth of its budget, the moons taken alone where they are the condition."""
    suite = ConditionalTransport(steps=600, points=500, seeds=(0,))
    rows = [row for case in suite.measure(Job((), tmp_path, lambda line: None)) for row in case if row.source == "ours"]
    for kind, metric in (("labels", "class_squared_wasserstein"), ("first coordinate", "squared_wasserstein")):
        one, adaptive = (
            {r.method: r.value for r in rows if r.metric == metric and kind in r.case and r.case.endswith(solver)}
            for solver in ("Euler 1 step", "adaptive")
        )
        # measured, labels: 2.26, 2.80, 0.54 and 0.48, 3.19, 0.23; coordinate: 0.74, 1.49, 0.29 and 0.14, 1.61, 0.15
        assert adaptive["ExactOT"] > 3 * adaptive["Independent"]
        assert adaptive["ConditionalOT"] < 0.3 * adaptive["ExactOT"]
        assert one["ConditionalOT"] < 0.6 * min(one["Independent"], one["ExactOT"])
