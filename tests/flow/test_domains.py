"""Flows whose samples keep to a domain: through a mirror map, a bijector, or the walls of their space."""

import math

import pytest
import torch

from pushforward import Flow
from pushforward.config import parse
from pushforward.core import Incompatible, generator_from
from pushforward.data import (
    Bounded,
    BoxFaces,
    Compose,
    Identity,
    MirrorBall,
    MirrorBox,
    Positive,
    SimplexLogRatio,
    Standardise,
)
from pushforward.paths import Affine
from pushforward.solvers import RK4, Euler
from pushforward.spaces import Ball, Box, Euclidean, Simplex, StudentT, TruncatedNormal

HEAVY = Affine(space=Euclidean(StudentT(10.0)))
NET = {"type": "MLP", "width": 32, "depth": 2}


def rows(dim):
    return BoxFaces(dim).sample(500, generator=generator_from(0))


def flow(transform, path, x, steps=60):
    return Flow(
        transform=transform, path=path, net=NET, training={"steps": steps, "batch_size": 64, "device": "cpu"}, seed=0
    ).fit(x)


def test_samples_through_a_mirror_are_inside_and_their_density_integrates_to_one():
    """Over [-1, 1], by the midpoint rule in the dual variable, in which the density is smooth; RK4 in 30 steps.

    Where x comes as near to a wall as float32 can tell, |y| > 17, some 1e-3 of the mass is left out.
    """
    x = rows(1)
    found = flow(MirrorBox(-1.0, 1.0), HEAVY, x)
    for steps in (1, 3, 40):
        assert found.sample(200, steps=steps).abs().max() <= 1
    units = found.frame_.transform
    y = torch.linspace(-16, 16, 801)[:, None]
    grid = units.inverse(y)
    density = found.log_prob(grid, steps=30, solver=RK4()) - units.log_det(grid)  # dx = dy / |dy/dx|
    assert float(density.double().exp().sum()) * 32 / 800 == pytest.approx(1, abs=0.01)


def test_samples_through_a_logit_are_inside():
    x = rows(1)
    found = flow(standardised(Bounded(-1.0, 1.0, 1e-3), x), Affine(), x, steps=20)
    assert all(found.sample(200, steps=steps).abs().max() <= 1 for steps in (1, 3, 40))
    assert found.log_prob(x[:5]).isfinite().all()


def test_walls_throw_back_whatever_the_network_and_the_steps():
    x = rows(2)
    box = Affine(space=Box(-1.0, 1.0, TruncatedNormal(0.7)))
    for head in ("Velocity", "Endpoint"):
        found = Flow(
            path=box,
            objective={"type": "FlowMatching", "head": head},
            transform=Identity(),
            net=NET,
            training={"steps": 5, "batch_size": 64, "device": "cpu"},
            sampling={"solver": "Euler"},
            seed=0,
        ).fit(x)
        with torch.no_grad():
            for p in found.net_.parameters():
                p.mul_(5.0)  # as wrong as can be
        way = found.trajectory(200, steps=7)
        assert way.xs.abs().max() <= 1
        assert found.log_prob(x[:5], steps=7).shape == (5,)
        back = found.transport(x[:5], reverse=True, steps=7)
        assert back.abs().max() <= 1


def test_a_flow_without_error_has_its_density_on_the_box():
    """Uniform noise and uniform data, coupled so that nothing moves: log p = -log volume."""

    class Still(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x, t, cond=None):
            return self.zero * x

    found = Flow(
        path=Affine(space=Box(-1.0, 1.0)),
        net=Still(),
        transform=Identity(),
        training={"steps": 1, "batch_size": 64, "learning_rate": 1e-12, "device": "cpu"},
        sampling={"solver": "Euler"},
    ).fit(rows(2))
    assert found.log_prob(rows(2)[:5]).numpy() == pytest.approx(-2 * math.log(2), abs=1e-5)


def test_a_solver_moves_where_the_path_lives():
    box = Affine(space=Box(-1.0, 1.0))
    config = Flow(path=box, sampling={"solver": "Euler"}).config
    assert config.followed_by("Euler") == Euler(box.space)
    assert config.followed_by(Euler(box.space)) == Euler(box.space)
    assert parse(config.resolved()).resolved() == config.resolved()
    with pytest.raises(Incompatible, match=r"states move on Box.*Euler on Ball.*give both the same space"):
        config.followed_by(Euler(Ball(1.0)))
    with pytest.raises(Incompatible, match=r"states move on Box.*DDIM knows flat space only"):
        config.followed_by("DDIM")
    with pytest.raises(Incompatible, match=r"states move on Box.*Jump"):
        Flow(path=box, objective="MeanFlow", sampling={"solver": "Jump"})


def standardised(transform, x):
    return Compose([transform, Standardise.fit(transform.forward(x))])


def test_a_saved_mirror_flow_is_read_back(tmp_path):
    x = Ball(2.0).noise(torch.empty(300, 3), generator=generator_from(0))
    found = flow(MirrorBall(2.0), HEAVY, x, steps=5)
    found.save(tmp_path)
    again = Flow.load(tmp_path)
    assert torch.equal(again.sample(50), found.sample(50))
    assert Ball(2.0).contains(again.sample(50)).all()
    assert torch.equal(again.log_prob(x[:5]), found.log_prob(x[:5]))


def test_log_ratios_take_the_model_to_one_coordinate_less(tmp_path):
    x = Simplex().noise(torch.empty(300, 4), generator=generator_from(0))
    found = flow(standardised(SimplexLogRatio(), x), Affine(), x, steps=5)
    assert Simplex().contains(found.sample(50, steps=5)).all()
    assert found.log_prob(x[:5], steps=5).isfinite().all()
    noise = found.transport(x[:5], reverse=True, steps=5)
    assert noise.shape == (5, 3)
    # Heun there and back: the field of a small network hardly changes between
    torch.testing.assert_close(found.transport(noise, steps=50), found.transport(noise, steps=51), rtol=0, atol=1e-3)
    found.save(tmp_path)
    assert torch.equal(Flow.load(tmp_path).sample(5), found.sample(5))


def test_positive_data_give_positive_samples():
    x = torch.exp(0.5 * torch.randn(500, 2, generator=generator_from(0)))
    found = flow(standardised(Positive(), x), Affine(), x)
    assert (found.sample(200, steps=5) > 0).all()
    assert found.log_prob(x[:5]).isfinite().all()
    assert math.isfinite(found.score(x[:20]))
