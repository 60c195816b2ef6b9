"""Stochastic interpolants through `Flow` and configurations: velocity and score from one network."""

import pytest
import torch
from torch import nn

from pushforward.config import Partial, parse
from pushforward.core import Incompatible
from pushforward.fields import FlowAndScore, FlowSDE, LatentNoise, NetField
from pushforward.flow import Flow
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine, Brownian, Mirror, SineSquared
from pushforward.solvers import EulerMaruyama

SETTINGS = {
    "path": {"type": "Affine", "latent": {"type": "Brownian", "scale": 0.5}},
    "objective": {"type": "FlowMatching", "head": "FlowAndScore"},
    "sampling": {"solver": "EulerMaruyama", "steps": 50},
}


def rows(mean, std, n=600, seed=0):
    return mean + std * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def fitted(**parts):
    flow = Flow(
        net={"type": "MLP", "width": 32},
        training={"steps": 200, "batch_size": 128, "learning_rate": 5e-3},
        seed=0,
        **{**SETTINGS, **parts},
    )
    return flow.fit(rows(3.0, 0.5), x0=rows(2.0, 1.0, seed=1))


@pytest.fixture(scope="module")
def bridge():
    return fitted(coupling={"type": "EntropicOT", "epsilon": 0.5, "relative": False})


@pytest.mark.parametrize("solver", ["EulerMaruyama", "StochasticHeun", "SRA1", "Heun"])
def test_a_bridge_between_data_is_sampled_with_noise_and_without(bridge, solver):
    x = bridge.sample(2000, solver=solver)
    assert torch.equal(x, bridge.sample(2000, solver=solver))
    # 200 steps of a small network on data of width 0.5 around 3
    assert (x.mean(0) - 3.0).abs().max() < 0.15
    assert (x.std(0) / 0.5 - 1).abs().max() < 0.25


def test_ways_back_are_those_of_the_flow(bridge):
    x = rows(3.0, 0.5, n=50, seed=3)
    back = bridge.transport(x, reverse=True)
    assert torch.equal(back, bridge.transport(x, reverse=True, solver="Heun"))
    assert (bridge.transport(back, solver="Heun") - x).abs().max() < 0.1


def test_a_bridge_survives_its_folder(bridge, tmp_path):
    bridge.save(tmp_path)
    again = Flow.load(tmp_path)
    assert again.objective_.head == FlowAndScore()
    x0 = rows(2.0, 1.0, n=20, seed=5)
    assert torch.equal(again.transport(x0), bridge.transport(x0))


def test_a_landing_where_score_and_velocity_end_before_one():
    flow = fitted(path={"type": "Affine", "schedule": "EncodingDecoding", "latent": "SineSquared"})
    solution = flow.trajectory(50)
    assert solution.times[-2:].tolist() == pytest.approx([0.999, 1.0])
    assert solution.nfe == 51
    step = flow.field_(solution.xs[-2], torch.full((50,), 0.999)) * 1e-3
    torch.testing.assert_close(solution.x, solution.xs[-2] + step, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("latent", "level"),
    [(Brownian(0.5), lambda t: 0.125 + 0 * t), (SineSquared(0.5), lambda t: 0.25 * (torch.pi * t).sin() ** 4)],
    ids=["diffusion", "gamma squared"],
)
def test_noise_counts_in_units_of_the_path(latent, level):
    config = parse(SETTINGS | {"sampling": {"solver": "EulerMaruyama", "eps": 3.0}})
    config = type(config)(path=Affine(latent=latent), objective=config.objective, sampling=config.sampling)
    field = NetField(nn.Identity(), FlowAndScore(), config.path)
    sde = config.noised(field, EulerMaruyama())
    assert isinstance(sde, FlowSDE)
    t = torch.linspace(0, 1, 5)
    torch.testing.assert_close(sde.level(t), 3 * level(t))


def test_noise_alone_is_refused_unless_it_is_all_that_moves():
    alone = {"path": SETTINGS["path"], "objective": {"type": "FlowMatching", "head": "LatentNoise"}}
    with pytest.raises(Incompatible, match=r"LatentNoise alone does not tell a velocity .* use head: FlowAndScore"):
        parse(alone)
    mirror = {"type": "Affine", "schedule": "Mirror", "latent": "SineSquared"}
    config = parse(alone | {"path": mirror, "sampling": {"solver": "EulerMaruyama"}})
    assert config.path.schedule == Mirror()
    assert config.bound == FlowMatching(config.path, LatentNoise())


def test_a_path_that_starts_from_data_is_sampled_from_data():
    mirror = {"type": "Affine", "schedule": "Mirror", "latent": "SineSquared"}
    spec = {"path": mirror, "objective": {"type": "FlowMatching", "head": "LatentNoise"}, "net": "MLP"}
    spec["training"] = {"steps": 2, "batch_size": 8}
    with pytest.raises(Incompatible, match=r"starts from data .* so noise has no part in it; give the data as source"):
        Flow(spec).fit(rows(2.0, 1.0, n=20))
    data = rows(2.0, 1.0, n=20)
    flow = Flow(spec).fit(data, x0=data)
    back = flow.transport(flow.transport(data), reverse=True)
    torch.testing.assert_close(back, data, rtol=0, atol=1e-2)  # of 50 steps of Heun there and back
    # from where it is given: a step over all times at the speed of t = 0.001, where gamma' = 2 pi^2 t = 0.02
    assert flow.transport(data, steps=1, solver="Euler").sub(data).abs().max() < 0.1


def test_guidance_of_a_score_is_refused(bridge):
    with pytest.raises(Incompatible, match="EulerMaruyama needs the score, and guidance steers the velocity alone"):
        parse(SETTINGS | {"sampling": {"solver": "EulerMaruyama", "guidance": 1.5}})
    with pytest.raises(Incompatible, match="and ClassifierFree guides the velocity alone; use no guidance"):
        bridge.sample(3, guidance=1.0)


def test_a_network_that_cannot_say_both_is_refused():
    class Plain(nn.Module):
        def __init__(self, shape):
            super().__init__()

    config = parse(SETTINGS)
    config = type(config)(path=config.path, objective=config.objective, net=Partial(Plain, late=("shape",)))
    with pytest.raises(Incompatible, match=r"asks for 2 quantities at once, but Plain has no argument `outputs`"):
        config.net_for((2,))


def test_what_the_head_asks_for_is_seen_through_a_learned_coupling():
    config = parse(
        {
            "path": SETTINGS["path"],
            "net": {"type": "MLP", "width": 8},
            "objective": {"type": "Joint", "coupling": "VariationalNoise", "objective": SETTINGS["objective"]},
        }
    )
    assert config.objective_for((3,)).outputs == 2
    assert config.net_for((3,))(torch.zeros(4, 3), torch.zeros(4)).shape == (4, 6)
    plain = type(config)(net=config.net)
    assert plain.net_for((3,))(torch.zeros(4, 3), torch.zeros(4)).shape == (4, 3)
