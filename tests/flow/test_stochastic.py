"""Sampling a learned flow with noise: what a user of YAML and of `Flow` meets."""

import pytest
import torch

from pushforward.config import parse
from pushforward.core import Incompatible, InvalidInput
from pushforward.flow import Flow
from pushforward.solvers import SRA1, BrownianPath, EulerMaruyama, Heun, StochasticHeun

SMALL = {"steps": 150, "batch_size": 128, "learning_rate": 5e-3}
NAMES = ["EulerMaruyama", "StochasticHeun", "SRA1"]


def rows(n=600, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) * 0.5 + 3.0


def flow(**parts):
    return Flow(net={"type": "MLP", "width": 32}, training=SMALL, seed=0, **parts)


@pytest.fixture(scope="module")
def plain():
    return flow().fit(rows())


@pytest.mark.parametrize("name", NAMES)
def test_noise_leaves_the_law_of_the_samples(plain, name):
    x, y = plain.sample(2000, solver=name, steps=100), plain.sample(2000, solver="Heun", steps=100)
    assert torch.equal(x, plain.sample(2000, solver=name, steps=100))
    assert not torch.allclose(x, y, atol=0.01)
    # the net's own error enters the flow and the equation differently; the data have the width 0.5
    assert (x.mean(0) - y.mean(0)).abs().max() < 0.1
    assert (x.std(0) / y.std(0) - 1).abs().max() < 0.15


def test_without_noise_it_is_the_flow():
    fitted = flow(sampling={"solver": "EulerMaruyama", "eps": 0.0, "steps": 20}).fit(rows())
    solution, plain = fitted.trajectory(50), fitted.trajectory(50, solver="Euler")
    assert solution.times[-2] == pytest.approx(0.999)  # the score is not followed to sigma = 0
    assert plain.times[-1] == 1
    assert (solution.x - plain.x).abs().max() < 0.02  # steps of 0.04995 and 0.05


def test_ways_back_and_densities_are_those_of_the_flow(plain):
    noisy = flow(sampling={"solver": "StochasticHeun"}).fit(rows())
    x = rows(20, seed=3)
    assert torch.equal(noisy.transport(x, reverse=True), noisy.transport(x, reverse=True, solver="Heun"))
    assert torch.equal(noisy.log_prob(x), noisy.log_prob(x, solver="Heun"))
    for ask in (plain.transport, plain.log_prob):
        with pytest.raises(Incompatible, match="EulerMaruyama draws noise, so it has no way back and no density"):
            ask(x, solver="EulerMaruyama")


def test_a_brownian_path_is_not_cut_into_blocks(plain, monkeypatch):
    monkeypatch.setattr("pushforward.flow.follower.BLOCK", 8)
    path = BrownianPath(0, depth=6)
    x = plain.trajectory(10, solver=EulerMaruyama(path), steps=8).x
    monkeypatch.undo()
    assert torch.equal(x, plain.trajectory(10, solver=EulerMaruyama(path), steps=8).x)


def test_configurations_name_them():
    for name, kind in zip(NAMES, (EulerMaruyama, StochasticHeun, SRA1), strict=True):
        config = parse({"sampling": {"solver": name, "eps": 0.3}})
        assert config.sampling.solver == kind()
        assert parse(config.resolved()).sampling == config.sampling
    assert parse({}).sampling.solver == Heun()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"coupling": "ExactOT"}, "not under ExactOT; use coupling: Independent"),
        (
            {"objective": {"type": "Joint", "coupling": {"type": "CARFlow"}}},
            "not under Joint; use a solver of flows",
        ),
        ({"path": {"type": "Affine", "latent": {"type": "Constant", "scale": 0.1}}}, "latent noise"),
    ],
    ids=["coupling", "learned coupling", "latent"],
)
def test_refuses_what_does_not_tell_the_score(parts, message):
    with pytest.raises(Incompatible, match=message):
        parse({"sampling": {"solver": "EulerMaruyama"}, **parts})
    assert parse({"sampling": {"solver": "Heun"}, **parts})


def test_refuses_a_source_of_data():
    fitted = flow().fit(rows(), x0=rows(seed=1))
    with pytest.raises(Incompatible, match="SRA1 needs the score, which the velocity tells only of flows from noise"):
        fitted.sample(5, solver="SRA1")


@pytest.mark.parametrize("eps", [-1.0, float("inf")])
def test_refuses_noise_out_of_range(eps):
    with pytest.raises(InvalidInput, match=r"sampling\.eps: got"):
        parse({"sampling": {"eps": eps}})
