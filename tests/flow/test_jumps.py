"""Flows that are sampled by a learned flow map."""

import pytest
import torch

import pushforward as pf
from pushforward.core import Incompatible, InvalidInput

SPEC = {
    "net": {"type": "MLP", "width": 16},
    "objective": {"type": "MeanFlow"},
    "sampling": {"solver": "Jump", "steps": 1},
    "training": {"steps": 5, "batch_size": 32},
}


def rows(n=60):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


def fitted(**change):
    return pf.Flow(pf.config.override(SPEC, change)).fit(rows())


@pytest.fixture(scope="module")
def flow():
    return fitted()


def g():
    return torch.Generator().manual_seed(1)


def test_a_sample_is_one_call_of_the_map(flow):
    x0 = flow.source(7, generator=g())
    map_ = flow.objective_.flow_map(flow.net_)
    with torch.no_grad():
        one = map_(x0, torch.zeros(7), torch.ones(7))
    found = flow.sample(7, generator=g())
    torch.testing.assert_close(found, flow.frame_.transform.inverse(one))
    two = flow.sample(7, steps=2, generator=g())
    assert not torch.equal(found, two)


def test_other_solvers_follow_the_velocity_that_was_learned_too(flow):
    x0 = flow.source(7, generator=g())
    found = flow.sample(7, solver="Heun", steps=4, generator=g())
    velocity = flow.objective_.field(flow.net_)
    with torch.no_grad():
        x = pf.solve(velocity, x0, torch.linspace(0, 1, 5), solver=pf.solvers.Heun()).x
    torch.testing.assert_close(found, flow.frame_.transform.inverse(x))


def test_noise_is_put_back_when_asked(flow):
    solver = pf.solvers.Jump(flow.config_.path, renoise=True)
    one, other = (flow.sample(5, solver=solver, steps=2, generator=g()) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, flow.sample(5, steps=2, generator=g()))
    told = fitted(**{"sampling.solver": {"type": "Jump", "renoise": True}, "sampling.steps": 2})
    assert told.sample(3, generator=g()).shape == (3, 2)
    with pytest.raises(Incompatible, match="independent"):
        fitted(**{"sampling.solver": {"type": "Jump", "renoise": True}, "coupling": "ExactOT"})


def test_the_way_back_and_densities_follow_the_velocity(flow):
    x = rows(5)
    assert flow.transport(x, reverse=True).shape == (5, 2)
    assert flow.log_prob(x).shape == (5,)
    with pytest.raises(Incompatible, match="learned forwards, so it has no way back"):
        flow.transport(x, reverse=True, solver="Jump")
    with pytest.raises(Incompatible, match="no way back and no density"):
        flow.log_prob(x, solver="Jump")


def test_saved_and_loaded(flow, tmp_path):
    flow.save(tmp_path)
    again = pf.Flow.load(tmp_path)
    assert torch.equal(again.sample(5, generator=g()), flow.sample(5, generator=g()))
    assert again.net_.times == 2


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"objective": "FlowMatching"}, Incompatible, "learns a velocity; use objective: MeanFlow"),
        ({"sampling.guidance": 1.5}, Incompatible, "nothing steers afterwards"),
        (
            {"objective": {"type": "Joint", "coupling": "VariationalNoise", "objective": "FlowMatching"}},
            Incompatible,
            "FlowMatching learns no flow map",
        ),
        ({"objective.velocity": "Teacher"}, InvalidInput, "unknown name 'Teacher'"),
    ],
)
def test_refusals_come_before_the_training(change, error, match):
    with pytest.raises(error, match=match):
        fitted(**change)


def test_guidance_is_learned_with_the_map():
    labels = torch.arange(60) % 3
    spec = pf.config.override(SPEC, {"objective": {"type": "MeanFlow", "velocity": "Guided", "cond_drop": 0.2}})
    flow = pf.Flow(spec).fit(rows(), cond=labels)
    assert flow.sample(3, cond=1).shape == (3, 2)
    with pytest.raises(Incompatible, match="nothing steers"):
        flow.sample(3, cond=1, guidance=2.0)


def test_consistency_training_over_learned_noise():
    """Variational noise coupling: the encoder chooses the noise, jumps go to the data."""
    objective = {"type": "Joint", "coupling": "VariationalNoise", "objective": "ConsistencyTraining", "strength": 0.1}
    flow = fitted(objective=objective)
    assert flow.sample(4).shape == (4, 2)
    assert flow.net_.times == 2
    moved = {"type": "Joint", "coupling": "CARFlow", "objective": "MeanFlow"}
    with pytest.raises(Incompatible, match="coordinates or conditions of its own"):
        pf.Flow(pf.config.override(SPEC, {"objective": moved})).fit(rows(), cond=torch.arange(60) % 3)


def test_a_net_of_one_time_is_refused_with_a_sentence():
    with pytest.raises(InvalidInput, match=r"t has shape .*one time per row"):
        pf.Flow(SPEC | {"net": None}, net=pf.nets.MLP((2,))).fit(rows())
