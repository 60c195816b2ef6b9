"""Solvers in the path's own coefficients, and grids: what a user of YAML and of `Flow` meets."""

import pytest
import torch

from pushforward.config import Partial, parse
from pushforward.core import Incompatible, InvalidInput
from pushforward.flow import Flow
from pushforward.paths import Affine, Cosine
from pushforward.solvers import DDIM, RK4, DPMSolverPP, UniPC, grids

SMALL = {"steps": 150, "batch_size": 128, "learning_rate": 5e-3}
NAMES = ["AdamsBashforth", "AdamsBashforthMoulton", "DPMSolverPP", "UniPC", "DDIM"]


def rows(n=600, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) * 0.5 + 3.0


def flow(**parts):
    return Flow(net={"type": "MLP", "width": 32}, training=SMALL, seed=0, **parts)


@pytest.fixture(scope="module")
def plain():
    return flow(path={"type": "Affine", "schedule": "Cosine"}).fit(rows())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_enough_and_the_flow_is_the_same(plain, name):
    x, y = plain.sample(200, solver=name, steps=100), plain.sample(200, solver="RK4", steps=100)
    assert torch.allclose(x, y, atol=0.05)  # DDIM is of order one; the data have the width 0.5
    x, y = (plain.transport(rows(5), solver=solver, reverse=True, steps=100) for solver in (name, "RK4"))
    # the way back stretches by the ratio of the widths, 2, in the mean, and errors with it
    assert torch.allclose(x, y, atol=0.2)


def test_an_object_has_the_path_of_the_flow_or_is_refused(plain):
    path = Affine(Cosine())
    for solver in (DPMSolverPP(path, 3), UniPC(path)):
        assert plain.sample(5, solver=solver).isfinite().all()
    with pytest.raises(Incompatible, match=r"UniPC was built on .*CondOT.* but path is .*Cosine"):
        plain.sample(5, solver=UniPC(Affine()))
    assert flow(path=path, sampling={"solver": DDIM(path)}).config.path == path
    with pytest.raises(Incompatible, match="DDIM was built on"):
        flow(path=path, sampling={"solver": DDIM(Affine())})


def test_churn_draws_noise_and_keeps_the_law(plain):
    churned = flow(path=Affine(Cosine()), sampling={"solver": {"type": "DDIM", "churn": 1.0}, "steps": 100}).fit(rows())
    x, y = churned.sample(2000), churned.sample(2000, solver="Heun")
    assert torch.equal(x, churned.sample(2000))
    assert not torch.allclose(x, y, atol=0.01)
    # the net's own error enters the flow and the churn differently; the data have the width 0.5
    assert (x.mean(0) - y.mean(0)).abs().max() < 0.1
    assert (x.std(0) / y.std(0) - 1).abs().max() < 0.15
    back = rows(4, seed=3)
    assert torch.equal(churned.transport(back, reverse=True), churned.transport(back, reverse=True, solver="Heun"))
    with pytest.raises(Incompatible, match="DDIM draws noise, so it has no way back and no density"):
        plain.log_prob(back, solver=DDIM(Affine(Cosine()), 0.5))
    assert plain.log_prob(back, solver="DDIM", steps=100).sub(plain.log_prob(back, steps=100)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"coupling": "ExactOT"}, "DDIM needs the score.* not under ExactOT; use coupling: Independent"),
        (
            {"objective": {"type": "Joint", "coupling": {"type": "CARFlow"}}},
            "not under Joint; use a solver of flows",
        ),
        ({"path": {"type": "Affine", "latent": {"type": "Constant", "scale": 0.1}}}, "latent noise"),
    ],
    ids=["coupling", "learned coupling", "latent"],
)
def test_refuses_to_churn_what_is_tied_to_the_data(parts, message):
    with pytest.raises(Incompatible, match=message):
        parse({"sampling": {"solver": {"type": "DDIM", "churn": 0.5}}, **parts})
    if "path" not in parts:
        assert parse({"sampling": {"solver": "DDIM"}, **parts})


def test_refuses_to_churn_a_source_of_data():
    fitted = flow().fit(rows(), x0=rows(seed=1))
    with pytest.raises(Incompatible, match="DDIM needs the score, which the velocity tells only of flows from noise"):
        fitted.sample(5, solver=DDIM(Affine(), 0.5))


@pytest.mark.parametrize("solver", ["UniPC", {"type": "DPMSolverPP", "order": 3, "starter": "RK4"}, "DDIM"])
def test_configurations_leave_the_path_out(solver):
    config = parse({"sampling": {"solver": solver, "grid": {"type": "EDM", "rho": 5}}})
    assert isinstance(config.sampling.solver, Partial)
    written = config.resolved()
    assert "path" not in written["sampling"]["solver"]
    assert parse(written).resolved() == written
    built = config.followed_by(config.sampling.solver)
    assert built.path == config.path
    given = flow(sampling={"solver": built, "grid": grids.EDM(rho=5)})
    assert given.config.resolved()["sampling"] == written["sampling"]


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"solver": {"type": "UniPC", "path": "Affine"}}, r"unknown key 'sampling\.solver\.path'"),
        ({"solver": {"type": "UniPC", "order": 7}}, "the orders 1, 2 and 3, got order=7"),
        ({"solver": 3}, r"sampling\.solver: got 3"),
        ({"grid": "LogSNRR"}, "did you mean LogSNR"),
        ({"grid": {"type": "EDM", "rho": -1}}, "rho is -1"),
        ({"grid": {"type": "Placed", "times": [0.2, 0.5, 1.0]}}, "placed from 0.2 to 1 and is asked for 0 to 1"),
    ],
)
def test_mistakes_are_told(sampling, message):
    with pytest.raises(InvalidInput, match=message):
        parse({"sampling": sampling})


def test_a_grid_that_misses_the_span_of_the_head_is_refused_before_the_training():
    objective = {"type": "FlowMatching", "head": "Noise"}
    with pytest.raises(InvalidInput, match=r"placed from 0 to 1 and is asked for 0\.001 to 1"):
        parse({"objective": objective, "sampling": {"grid": {"type": "Placed", "times": [0.0, 0.5, 1.0]}}})
    assert parse({"objective": objective, "sampling": {"grid": {"type": "Placed", "times": [0.001, 0.5, 1.0]}}})


def test_grids_place_the_steps(plain):
    fitted = flow(sampling={"grid": "LogSNR", "steps": 6}).fit(rows())
    expected = grids.LogSNR()(6, path=Affine())
    torch.testing.assert_close(fitted.trajectory(3).times.double(), expected, rtol=1e-6, atol=1e-6)
    assert len(fitted.trajectory(3, steps=9).times) == 10
    torch.testing.assert_close(plain.trajectory(3, steps=4).times, torch.linspace(0, 1, 5))
    with pytest.raises(Incompatible, match="LogSNR needs alpha / sigma to rise"):
        parse(
            {
                "sampling": {"grid": "LogSNR"},
                "path": {"type": "Affine", "schedule": "EncodingDecoding", "latent": "SineSquared"},
            }
        )


def test_a_measured_grid_stands_in_a_configuration(plain):
    pilot = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    measured = grids.by_error(plain.field_, pilot, solver=RK4(), cells=16)
    config = parse({"sampling": {"grid": {"type": "Placed", "times": list(measured.times)}}})
    assert config.sampling.grid == measured
    assert parse(config.resolved()).sampling.grid == measured
