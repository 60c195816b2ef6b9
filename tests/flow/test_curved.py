"""Flows on curved spaces, through the estimator: samples lie there, densities have mass 1, mistakes are told."""

import math

import pytest
import torch

from pushforward import Flow
from pushforward.config import Evaluation
from pushforward.core import Incompatible, InvalidInput, generator_from
from pushforward.data import Arrays, Dataset
from pushforward.flow import evaluate
from pushforward.paths import Geodesic
from pushforward.solvers import RK4
from pushforward.spaces import SO3, SPD, Euclidean, Poincare, Sphere, Torus

EVENTS = {Sphere(): (3,), Torus(): (2,), Poincare(): (2,), SPD(): (2, 2), SO3(): (3, 3)}
each = pytest.mark.parametrize("space", EVENTS, ids=lambda space: type(space).__name__)
NET = {"type": "MLP", "width": 32, "depth": 2}


def rows(space, n=300):
    """A cloud about one point."""
    generator = generator_from(0)
    origin = space.noise(torch.empty(1, *EVENTS[space]), generator=generator).expand(n, *EVENTS[space])
    return space.exp(origin, 0.3 * space.tangent_noise(origin, generator=generator))


def fitted(space, steps=60, **more):
    training = {"steps": steps, "batch_size": 64, "device": "cpu"}
    return Flow(path=Geodesic(space), net=NET, training=training, seed=0, **more).fit(rows(space))


@each
def test_samples_lie_on_the_space_and_every_verb_runs(space, tmp_path):
    flow = fitted(space)
    x = flow.sample(50, steps=10)
    torch.testing.assert_close(space.project(x), x, rtol=1e-5, atol=1e-5)
    there = flow.transport(flow.transport(x, reverse=True, solver="RK4", steps=40), solver="RK4", steps=40)
    assert space.distance(there, x).max() < 1e-2
    assert flow.log_prob(x[:4], steps=10).isfinite().all()
    flow.save(tmp_path)
    assert torch.equal(Flow.load(tmp_path).sample(5), flow.sample(5))


@pytest.mark.story
def test_a_cloud_on_the_sphere_is_learned_and_its_density_integrates_to_one():
    """The entropy of a normal law of 0.3 on S^2 (nearly flat) is 1 + log(2 pi 0.09) = 0.43; four in ten nats of it."""
    space, x = Sphere(), rows(Sphere(), 4000)
    training = {"steps": 800, "batch_size": 256, "device": "cpu", "threads": 1}
    flow = Flow(path=Geodesic(space), net={"type": "MLP", "width": 64}, training=training, seed=0).fit(x[:3000])
    exact = 1 + math.log(2 * math.pi * 0.09)
    assert -float(flow.log_prob(x[3000:], solver=RK4(space), steps=20).mean()) == pytest.approx(exact, abs=0.2)
    unit = (torch.arange(60) + 0.5) / 60
    z, angle = (p.flatten() for p in torch.meshgrid(2 * unit - 1, 2 * math.pi * unit, indexing="ij"))
    ring = (1 - z * z).sqrt()
    grid = torch.stack([ring * angle.cos(), ring * angle.sin(), z], 1)
    mass = flow.log_prob(grid, solver=RK4(space), steps=20).exp().mean() * 4 * math.pi
    assert float(mass) == pytest.approx(1, abs=0.02)


def test_mistakes_are_told_in_a_sentence():
    with pytest.raises(InvalidInput, match=r"off Sphere\(\) by up to .*project"):
        Flow(path=Geodesic(Sphere()), net=NET).fit(torch.randn(10, 3))
    with pytest.raises(Incompatible, match="states move on Sphere"):
        Flow(path=Geodesic(Sphere()), net=NET, sampling={"solver": RK4(Torus())})
    with pytest.raises(Incompatible, match="curved"):
        Flow(path=Geodesic(Sphere()), net=NET, objective={"type": "FlowMatching", "head": "Endpoint"})
    for objective in ("MeanFlow", "Shortcut", "ConsistencyFM"):
        with pytest.raises(Incompatible, match=r"Sphere is curved; use FlowMatching"):
            Flow(path=Geodesic(Sphere()), net=NET, objective=objective)
    flat = Flow(path=Geodesic(Euclidean()), net=NET, training={"steps": 2, "device": "cpu"}).fit(torch.randn(64, 2))
    assert flat.sample(3).shape == (3, 2)


def test_rows_are_judged_as_points_of_the_space_however_their_angles_are_wrapped():
    x = rows(Torus())
    flow = fitted(Torus(), steps=5)
    turned = x + 2 * math.pi * torch.randint(-2, 3, x.shape, generator=generator_from(1))
    settings = Evaluation(samples=60, exact=60)
    one, other = (
        evaluate(flow, settings, data=Dataset(Arrays(part[:200]), Arrays(part[200:]))).metrics for part in (x, turned)
    )
    assert one.keys() == other.keys()
    for name in ("wasserstein", "energy_distance", "frechet", "recall", "copies", "nll"):
        assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-3)
