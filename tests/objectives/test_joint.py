"""A learned coupling under an objective: limits, gradients, and everything that keeps its weights."""

from dataclasses import replace

import pytest
import torch

from pushforward import Flow
from pushforward.config import Config, Experiment, Partial, parse
from pushforward.core import Incompatible, InvalidInput, Pairs, generator_from
from pushforward.couplings import CARFlow, CrossFlow, ExactOT, VariationalNoise
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching, Joint
from pushforward.paths import Affine, Cosine
from pushforward.training import Training, load_checkpoint, train

COUPLINGS = {
    "CARFlow": lambda: CARFlow((2,), classes=3),
    "CrossFlow": lambda: CrossFlow((2,), classes=3, width=16),
    "VariationalNoise": lambda: VariationalNoise((2,), width=16),
}
SPECS = {
    "CARFlow": {"type": "CARFlow", "cond_drop": 0.2},
    "CrossFlow": {"type": "CrossFlow", "width": 16, "cond_drop": 0.2},
    "VariationalNoise": {"type": "VariationalNoise", "width": 16},
}
PLAIN = dict.fromkeys(SPECS, "FlowMatching") | {"VariationalNoise": {"type": "FlowMatching", "cond_drop": 0.2}}
SHORT = Training(steps=12, batch_size=16, checkpoint_every=4, log_every=4, ema=0.9, learning_rate=0.01)


def batch(gen, rows=64):
    x0, x1 = (torch.randn(rows, 2, generator=gen) for _ in range(2))
    return Pairs((x0, x1 + 2), cond=torch.randint(0, 3, (rows,), generator=gen))


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def net():
    torch.manual_seed(0)
    return MLP((2,), classes=3, width=16)


def spec(name, **given):
    return {
        "data": {"type": "Toy", "labels": True},
        "net": {"type": "MLP", "width": 16},
        "objective": {"type": "Joint", "coupling": SPECS[name], "objective": PLAIN[name], "strength": 0.1},
        "training": {"steps": 12, "batch_size": 16, "checkpoint_every": 12, "ema": 0.9},
        "sampling": {"steps": 10},
        **given,
    }


@pytest.mark.parametrize("name", ["CARFlow", "VariationalNoise"])
def test_before_training_it_is_the_plain_objective_bit_for_bit(name):
    model, pairs = net(), batch(gen())
    plain = FlowMatching()(model, pairs, generator=gen(1))
    plain.value.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    joint = Joint(COUPLINGS[name](), FlowMatching(), 0.3)
    loss = joint(model, pairs, generator=gen(1))
    loss.value.backward()
    assert loss.value.equal(plain.value)
    assert loss.terms["penalty"] == 0
    assert all(p.grad.equal(g) for p, g in zip(model.parameters(), gradients, strict=True))
    x, t = torch.randn(5, 2, generator=gen()), torch.rand(5, generator=gen())
    c = torch.arange(5) % 3
    assert joint.field(model)(x, t, c).equal(FlowMatching().field(model)(x, t, c))


@pytest.mark.parametrize("name", COUPLINGS)
def test_every_parameter_gets_a_finite_gradient_after_a_step(name):
    model, joint = net(), Joint(COUPLINGS[name](), FlowMatching(), 0.3)
    parameters = [*model.parameters(), *joint.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.1)
    for k in range(3):  # layers at zero pass nothing on: each step wakes the one below
        optimizer.zero_grad()
        loss = joint(model, batch(gen(k)), generator=gen(k))
        loss.value.backward()
        optimizer.step()
    for name_, parameter in joint.named_parameters():
        assert parameter.grad.isfinite().all(), name_
        assert parameter.grad.abs().sum() > 0, name_
    torch.testing.assert_close(loss.value, sum(loss.terms.values()))
    assert (loss.terms["penalty"] > 0) == (name != "CARFlow")


def test_weights_of_rows_count_for_the_penalty_too():
    joint = Joint(VariationalNoise((2,), width=4), FlowMatching())
    with torch.no_grad():
        joint.coupling.head.layers[-1].bias.fill_(0.5)
    pairs, model = batch(gen()), net()
    once = joint(model, pairs, generator=gen())
    thrice = joint(model, pairs._replace(weight=torch.full((64,), 3.0)), generator=gen())
    torch.testing.assert_close(thrice.value, 3 * once.value)


class Death(Exception):
    pass


class Stream:
    def __init__(self, death=None):
        self.death = death

    def pairs(self, step, size, *, seed):
        if step == self.death:
            raise Death
        return batch(generator_from(seed, "stream", step), size)


@pytest.mark.parametrize("name", COUPLINGS)
def test_a_run_that_died_resumes_to_the_same_bits(name, tmp_path):
    def start(folder, **given):
        torch.manual_seed(3)
        joint = Joint(COUPLINGS[name](), FlowMatching(), 0.1)
        trained = train(net(), joint, given.pop("feed", Stream()), SHORT, folder=tmp_path / folder, **given)
        return {**trained.net.state_dict(), **joint.state_dict()}

    whole = start("whole")
    with pytest.raises(Death):
        start("halves", feed=Stream(death=7))
    halves = start("halves", resume=True)
    assert all(whole[key].equal(halves[key]) for key in whole)
    stored = load_checkpoint(tmp_path / "whole" / "checkpoint").tensors
    own = [key for key in stored if ".coupling." in key]
    assert {key.split("/")[0] for key in own} == {"module", "ema", "optimizer"}
    # what is left in the modules is the average
    assert all(whole[k].equal(stored[f"ema/objective.{k}"]) for k in whole if k.startswith("coupling."))


@pytest.mark.parametrize("name", SPECS)
def test_a_run_folder_samples_alike(name, tmp_path):
    flow = Flow(spec(name)).fit(folder=tmp_path)
    again = Flow.load(tmp_path)
    label = torch.arange(8) % 2
    assert any(p.abs().sum() > 0 for p in flow.objective_.coupling.parameters())
    assert flow.sample(8, label).equal(again.sample(8, label))
    noise = torch.randn(8, 2, generator=gen())
    moved = flow.transport(noise, label, steps=40)
    torch.testing.assert_close(flow.transport(moved, label, reverse=True, steps=40), noise, atol=3e-4, rtol=3e-4)
    assert flow.sample(8, label, guidance=2.0).isfinite().all()


@pytest.mark.parametrize("name", SPECS)
def test_densities_integrate_to_one(name):
    """Whatever the weights: the field in the data's coordinates and the law of the source belong together."""
    flow = Flow(spec(name)).fit()
    with torch.no_grad():
        for parameter in flow.objective_.coupling.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=gen()))
    side = torch.linspace(-8, 8, 97)
    grid = torch.cartesian_prod(side, side)
    low, high = flow.frame_.transform.inverse(torch.tensor([[-8.0, -8.0], [8.0, 8.0]]))
    cell = ((high - low) / 96).prod()
    rows = flow.frame_.transform.inverse(grid)
    mass = flow.log_prob(rows, torch.ones(len(rows)).long(), steps=10).exp().sum() * cell
    # a smooth density on a grid with 6 points a unit: only the steps of the solver are left
    assert abs(mass - 1) < 0.01


def test_the_objective_waits_for_path_and_shapes_in_turn():
    config = parse({**spec("CARFlow"), "path": {"type": "Affine", "schedule": "Cosine"}})
    assert isinstance(config.bound, Partial)
    inner = config.bound.fields["objective"]
    assert inner == FlowMatching(Affine(Cosine()))
    first, second = (config.objective_for((2,), classes=4) for _ in range(2))
    assert first.path == Affine(Cosine())
    assert first.cond_drop == 0.2
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    resolved = config.resolved()
    assert parse(resolved).resolved() == resolved
    assert resolved["objective"]["coupling"]["mode"] == "joint"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"coupling": "CARFlow"}, Incompatible, "coupling: CARFlow is learned with the net; write .objective"),
        (
            {"objective": {"type": "Joint", "coupling": "ExactOT", "objective": "FlowMatching"}},
            InvalidInput,
            "known: C",
        ),
        ({"objective": {"type": "Joint", "coupling": {"type": "CARFlow", "mood": 1}}}, InvalidInput, "mean mode"),
        ({"objective": {"type": "Joint", "coupling": {"type": "CARFlow", "mode": "both"}}}, InvalidInput, "'both'"),
        (
            {"objective": {"type": "Joint", "coupling": "CARFlow", "objective": {"type": "FlowMatching", "heat": 1}}},
            InvalidInput,
            "did you mean head",
        ),
    ],
)
def test_mistakes_are_told_where_and_how_to_mend_them(change, error, message):
    with pytest.raises(error, match=message):
        parse({**spec("CARFlow"), **change})


def test_senseless_parts_are_refused():
    with pytest.raises(InvalidInput, match="strength is -1"):
        Joint(VariationalNoise((2,)), FlowMatching(), -1.0)
    with pytest.raises(Incompatible, match="set its cond_drop, not that of FlowMatching"):
        Joint(CARFlow((2,), classes=2), FlowMatching(cond_drop=0.1))
    with pytest.raises(Incompatible, match="is learned with the net"):
        Config(coupling=VariationalNoise((2,)))
    experiment = Experiment.of(replace(parse(spec("VariationalNoise")), coupling=ExactOT()))
    with pytest.raises(Incompatible, match="independent noise"):
        experiment.objective()
    assert isinstance(Experiment.of(replace(parse(spec("CARFlow")), coupling=ExactOT())).objective(), Joint)
    with pytest.raises(Incompatible, match="these data have none"):
        Experiment.of(parse({**spec("CARFlow"), "data": {"type": "Toy"}})).objective()
