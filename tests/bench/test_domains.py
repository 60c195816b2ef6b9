from pathlib import Path

import pytest
import torch

from pushforward.bench import Domains, Job
from pushforward.bench.domains import BIJECTOR, CLIPPED, MIRROR_NORMAL, MIRROR_T, REFLECTED, knn_kl

FLOOR = "floor, independent draws"


def measure(suite):
    cases = list(suite.measure(Job((), Path("unused"), lambda line: None)))
    return {(row.method, row.metric): row.value for rows in cases for row in rows if row.source == "ours"}


@pytest.mark.story
def test_reflection_beats_clipping_on_a_mixture_piled_at_the_faces():
    found = measure(Domains(steps=800, points=1000, seeds=(0,), targets=("box",)))
    assert {method for method, _ in found} == {FLOOR, REFLECTED, MIRROR_T, MIRROR_NORMAL, CLIPPED, BIJECTOR}
    assert found[FLOOR, "wasserstein"] < found[REFLECTED, "wasserstein"] < found[CLIPPED, "wasserstein"]
    for method in (REFLECTED, MIRROR_T, MIRROR_NORMAL, BIJECTOR):
        assert all(found[method, f"feasible_share_{steps}_steps"] == 1 for steps in (5, 20, 100))
    assert found[CLIPPED, "feasible_share_100_steps"] < 0.95


@pytest.mark.story
@pytest.mark.parametrize("target", ["polytope", "ball"])
def test_every_entrant_of_a_domain_trains_and_is_judged(target):
    found = measure(Domains(steps=3, points=200, seeds=(0,), targets=(target,)))
    assert {method for method, _ in found} == {FLOOR, REFLECTED, MIRROR_T, MIRROR_NORMAL, CLIPPED}
    for method in (REFLECTED, MIRROR_T, MIRROR_NORMAL):
        assert all(found[method, f"feasible_share_{steps}_steps"] == 1 for steps in (5, 20, 100))
        assert found[method, "kl"] > found[FLOOR, "kl"]


def test_divergence_between_gaussians_by_neighbours():
    """|m|^2 / 2 = 0.5 nats. The terms' standard deviations are about 1; the bias at 4,000 draws is below 0.1."""
    x, y = torch.randn(2, 4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert abs(float(knn_kl(x, y + torch.tensor([1.0, 0.0]))) - 0.5) < 5 * 1.5 / 4000**0.5 + 0.1
    assert abs(float(knn_kl(x, y))) < 5 * 1.5 / 4000**0.5 + 0.05
