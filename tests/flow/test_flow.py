"""The estimator: fit, sample, transport, densities, saving, and what it refuses."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import pushforward as pf
from pushforward.config import checked_guidance, parse, read_yaml, write_yaml
from pushforward.core import Incompatible, InvalidInput
from pushforward.couplings import ExactOT
from pushforward.fields import Endpoint
from pushforward.flow import Flow, resolve
from pushforward.flow.flow import _whole
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine, CondOT, Cosine, LinearVP, VarianceExploding, VariancePreserving
from pushforward.solvers import RK4, Dopri5, Euler

SMALL = {"steps": 60, "batch_size": 64, "learning_rate": 5e-3}


def rows(n=400, d=2, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * 0.5 + 3.0


@pytest.fixture(scope="module")
def plain():
    return Flow(net={"type": "MLP", "width": 32}, training=SMALL, seed=0).fit(rows())


@pytest.fixture(scope="module")
def labelled():
    x = torch.cat([rows(200) - 2, rows(200, seed=1) + 2])
    labels = torch.arange(2).repeat_interleave(200)
    objective = {"type": "FlowMatching", "cond_drop": 0.2}
    flow = Flow(net={"type": "ResidualMLP", "width": 32, "depth": 1}, objective=objective, training=SMALL)
    return flow.fit(x, cond=labels)


def test_fit_learns_the_mean_in_data_units(plain):
    x = plain.sample(2000)
    assert x.shape == (2000, 2)
    assert (x.mean(0) - 3).abs().max() < 0.2
    assert (x.std(0) - 0.5).abs().max() < 0.25


def test_two_calls_give_the_same_rows_unless_told_otherwise(plain):
    assert torch.equal(plain.sample(5), plain.sample(5))
    g = torch.Generator().manual_seed(1)
    assert not torch.equal(plain.sample(5, generator=g), plain.sample(5, generator=g))


def test_same_seed_same_flow(plain):
    again = Flow(net={"type": "MLP", "width": 32}, training=SMALL, seed=0).fit(rows())
    other = Flow(net={"type": "MLP", "width": 32}, training=SMALL, seed=1).fit(rows())
    assert torch.equal(plain.sample(5), again.sample(5))
    assert not torch.equal(plain.sample(5), other.sample(5))


def test_transport_there_and_back(plain):
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(2))
    x = plain.transport(z, solver=RK4(), steps=100)
    torch.testing.assert_close(plain.transport(x, reverse=True, solver=RK4(), steps=100), z, rtol=0, atol=1e-4)


def test_density_integrates_to_one_and_moves_with_the_units(plain):
    side = torch.linspace(0.0, 6.0, 61)
    grid = torch.cartesian_prod(side, side)
    total = plain.log_prob(grid, steps=20).exp().sum() * 0.1**2
    assert abs(total - 1) < 0.02
    assert plain.score(rows(100, seed=5)) > plain.score(rows(100, seed=5) + 2)


def test_density_of_a_variance_exploding_flow_starts_from_scaled_noise():
    """The zero field: x_1 = x_0 = sigma_0 z in model units, whose density is known."""

    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(()))

        def forward(self, x, t, cond=None):
            return x * self.gain.detach() * 0 + 0 * self.gain

    training = {"steps": 1, "batch_size": 8, "ema": None}
    path = Affine(VarianceExploding(0.1, 5.0))
    flow = Flow(path=path, net=Still(), training=training, transform=pf.data.Identity())
    flow.fit(rows())
    x = rows(7)
    exact = torch.distributions.Normal(0.0, 5.0).log_prob(x).sum(1)
    torch.testing.assert_close(flow.log_prob(x), exact)
    z = torch.randn(3, 2)
    torch.testing.assert_close(flow.transport(z), 5.0 * z)
    torch.testing.assert_close(flow.transport(5.0 * z, reverse=True), z)


def test_classes_take_turns_or_are_asked_for(labelled):
    means = [labelled.sample(300, cond=c).mean() for c in (0, 1)]
    assert means[0] < 2.5 < means[1] - 1
    turns = labelled.sample(300)
    assert turns[0::2].mean() < 2.5 < turns[1::2].mean() - 1
    assert labelled.sample(4, cond=[0, 1, 0, 1], guidance=1.5).shape == (4, 2)
    assert labelled.sample(4, cond=np.array([0, 1, 0, 1])).shape == (4, 2)


def test_guidance_is_a_scale_or_a_function_from_field_to_field(labelled):
    g = lambda: torch.Generator().manual_seed(3)
    by_scale = labelled.sample(20, guidance=2.0, generator=g())
    by_function = labelled.sample(20, guidance=lambda f: pf.guidance.ClassifierFree(f, 2.0), generator=g())
    assert torch.equal(by_scale, by_function)
    plain = labelled.sample(20, generator=g())
    assert torch.equal(labelled.sample(20, guidance=1.0, generator=g()), plain)
    assert not torch.equal(by_scale, plain)
    by_mapping = labelled.sample(20, guidance={"type": "ClassifierFree", "scale": 2.0}, generator=g())
    assert torch.equal(by_mapping, by_scale)
    assert checked_guidance(np.float32(2), "guidance") == 2.0


def test_a_model_that_never_saw_the_null_condition_is_not_guided_away_from_it():
    flow = Flow(net="MLP", training=SMALL | {"steps": 2}).fit(rows(40), cond=torch.arange(40) % 2)
    assert flow.sample(4, guidance=1.0).shape == (4, 2)
    with pytest.raises(Incompatible, match="has not learned"):
        flow.sample(4, guidance=2.0)


def test_rows_do_not_depend_on_how_many_are_followed_at_once(labelled, monkeypatch):
    labelled = copy.deepcopy(labelled)
    labelled.net_.double()  # in float32 rounding, which hangs on the number of rows, would choose adaptive steps
    x, path = labelled.sample(23, guidance=1.5), labelled.trajectory(23, steps=6)
    adaptive, density = labelled.sample(23, solver="Dopri5"), labelled.log_prob(rows(23), cond=1)
    most = 0

    def watch(module, args):
        nonlocal most
        most = max(most, len(args[0]))

    monkeypatch.setattr("pushforward.flow.follower.BLOCK", 10)  # five rows of two numbers
    handle = labelled.net_.register_forward_pre_hook(watch)
    torch.testing.assert_close(labelled.sample(23, solver="Dopri5"), adaptive)
    assert most == 5
    most = 0
    torch.testing.assert_close(labelled.log_prob(rows(23), cond=1), density)
    assert most == 2  # two directions a row
    handle.remove()
    torch.testing.assert_close(labelled.sample(23, guidance=1.5), x)
    found = labelled.trajectory(23, steps=6)
    torch.testing.assert_close(found.xs, path.xs)
    torch.testing.assert_close(found.x, path.x)
    assert (found.nfe, len(found.times)) == (path.nfe, 7)


def test_vector_conditions():
    x, cond = rows(), torch.rand(400, 3)
    flow = Flow(net={"type": "MLP", "width": 16}, training=SMALL).fit(x + cond[:, :2], cond=cond)
    assert flow.sample(5, cond=cond[:5]).shape == (5, 2)
    assert flow.sample(5, cond=[0.1, 0.2, 0.3]).shape == (5, 2)
    with pytest.raises(InvalidInput, match="needs a condition"):
        flow.sample(5)
    with pytest.raises(InvalidInput, match=r"shape \[5, 2\], expected \[5, 3\]"):
        flow.sample(5, cond=torch.zeros(5, 2))
    with pytest.raises(InvalidInput, match="not finite"):
        flow.sample(5, cond=torch.full((5, 3), float("nan")))


def test_a_source_of_rows_and_images_of_any_shape():
    flow = Flow(coupling=ExactOT(), net="MLP", training=SMALL).fit(rows(), x0=rows(seed=3) - 6)
    moved = flow.transport(rows(10, seed=4) - 6)
    assert (moved.mean() - 3).abs() < 1.0
    assert flow.sample(3).shape == (3, 2)
    with pytest.raises(InvalidInput, match="starts from data"):
        flow.log_prob(rows(3))
    images = Flow(net={"type": "MLP"}, training=SMALL | {"steps": 2}).fit(torch.rand(20, 1, 4, 4))
    assert images.sample(2).shape == (2, 1, 4, 4)


@pytest.mark.parametrize("name", ["plain", "labelled"])
def test_saved_flows_are_the_same_flows(name, request, tmp_path):
    flow = request.getfixturevalue(name)
    flow.save(tmp_path / "run")
    again = Flow.load(tmp_path / "run")
    assert torch.equal(again.sample(6), flow.sample(6))
    x = rows(5)
    cond = None if name == "plain" else [0, 1, 0, 1, 0]
    assert torch.equal(again.log_prob(x, cond), flow.log_prob(x, cond))
    with pytest.raises(InvalidInput, match="not saved with it"):
        again.dataset()


def test_runs_into_a_folder_leave_a_config_that_runs_again(tmp_path):
    flow = Flow("moons", training=SMALL | {"steps": 5}).fit(folder=tmp_path / "run")
    assert {f.name for f in (tmp_path / "run").iterdir()} >= {"config.yaml", "model.safetensors", "metrics.jsonl"}
    again = Flow(tmp_path / "run" / "config.yaml").fit()
    assert torch.equal(again.sample(4), flow.sample(4))
    loaded = Flow.load(tmp_path / "run")
    assert loaded.dataset().name == "Moons"


def test_runs_of_adaptive_solvers_are_loaded_again(plain, tmp_path):
    flow = copy.copy(plain)
    flow.config_ = dataclasses.replace(plain.config, sampling=pf.config.Sampling(solver=Dopri5()))
    flow.save(tmp_path)
    assert torch.equal(Flow.load(tmp_path).sample(4), flow.sample(4))


def test_runs_find_their_data_from_every_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "rows.npy", rows(50).numpy())
    monkeypatch.chdir(tmp_path / "data")
    spec = {"data": {"type": "Table", "path": "rows.npy"}, "net": "MLP", "training": SMALL | {"steps": 2}}
    Flow(spec).fit(folder=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert len(Flow.load(tmp_path / "run").dataset().train) == 45


def test_settings_of_training_that_nobody_knows_any_more_are_passed_over(plain, tmp_path):
    plain.save(tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("training:\n", "training:\n  prefetch: 2\n"))
    assert "prefetch" in (tmp_path / "config.yaml").read_text()
    with pytest.warns(UserWarning, match=r"passed over training\.prefetch") as caught:
        again = Flow.load(tmp_path)
    assert len(caught) == 1
    assert torch.equal(again.sample(3), plain.sample(3))
    with pytest.raises(InvalidInput, match=r"unknown key 'training\.prefetch'"):
        Flow(tmp_path / "config.yaml")  # to train, every setting counts


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_rows_and_conditions_of_every_dtype_are_learned_from(dtype):
    x = rows(50).to(dtype)
    flow = Flow(net={"type": "MLP", "width": 8}, training=SMALL | {"steps": 2})
    assert flow.fit(x, cond=rows(50).to(dtype) if dtype.is_floating_point else None).net_ is not None
    cond = torch.zeros(2, 2, dtype=dtype) if dtype.is_floating_point else None
    assert flow.sample(2, cond=cond).dtype == torch.float32


def test_seeds_are_whole_numbers_of_any_kind():
    assert type(parse({"seed": "3"}).seed) is int
    with pytest.raises(InvalidInput, match="seed"):
        parse({"seed": 3.5})


def test_scikit_learn_manners(plain):
    flow = Flow("moons", seed=3)
    assert flow.get_params()["seed"] == 3
    assert clone(flow).get_params()["recipe"] == "moons"
    flow.set_params(seed=4)
    assert flow.config.seed == 4
    assert "moons" in repr(flow)
    assert copy.deepcopy(plain).sample(2).shape == (2, 2)


def test_parts_as_objects_names_and_mappings():
    by_object = Flow(coupling=ExactOT(), path=Affine(Cosine())).config
    by_text = Flow(coupling="ExactOT", path={"type": "Affine", "schedule": "Cosine"}).config
    assert by_object.coupling == by_text.coupling
    assert by_object.path == by_text.path
    assert Flow(objective=FlowMatching(Affine(Cosine()), Endpoint())).config.path == Affine(Cosine())
    assert Flow({"seed": 5}).config.seed == 5
    assert resolve("moons")["recipe"] == "moons"


def test_a_network_of_your_own_is_copied_not_trained():
    net = pf.nets.MLP((2,), width=8, depth=1)
    before = copy.deepcopy(net.state_dict())
    Flow(net=net, training=SMALL | {"steps": 3}).fit(rows())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_endpoint_flows_stop_where_their_velocity_is_regular():
    flow = Flow(objective={"type": "FlowMatching", "head": "Endpoint"}, net="MLP", training=SMALL).fit(rows())
    x = flow.sample(200, solver="RK4")
    assert torch.isfinite(x).all()
    assert (x.mean() - 3).abs() < 0.3


@pytest.mark.parametrize("head", ["Endpoint", "Score"])
@pytest.mark.parametrize("schedule", [CondOT(), VariancePreserving(), LinearVP()], ids=repr)
def test_samples_of_singular_heads_keep_no_noise_of_the_path(schedule, head):
    """The exact network of N(2, 0.001^2): before the last jump its rows are 0.003 (CondOT) to 0.09 (LinearVP) wide."""

    class Exact(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(()))

        def forward(self, x, t, cond=None):
            c = schedule(t[:, None])
            gap = (x - 2 * c.alpha) / (1e-6 * c.alpha**2 + c.sigma**2)
            return self.gain.detach() * (2 + 1e-6 * c.alpha * gap if head == "Endpoint" else -gap) + 0 * self.gain

    flow = Flow(
        path=Affine(schedule),
        objective={"type": "FlowMatching", "head": head},
        net=Exact(),
        training={"steps": 1, "batch_size": 8, "ema": None},
        transform=pf.data.Identity(),
        seed=0,
    ).fit(torch.full((8, 2), 2.0))
    way = flow.trajectory(500, steps=100)
    assert way.times[-1] == 1
    assert len(way.xs) == len(way.times) == 102
    assert torch.equal(way.xs[-1], way.x)
    assert way.x.std() < 0.003
    assert (way.x.mean() - 2).abs() < 0.001
    torch.testing.assert_close(flow.transport(torch.zeros(1, 2)), torch.full((1, 2), 2.0), rtol=0, atol=0.003)


def test_steps_and_solvers_can_be_named(plain):
    assert torch.equal(plain.sample(4, solver="Euler", steps=7), plain.sample(4, solver=Euler(), steps=7))
    path = plain.trajectory(4, steps=7)
    assert path.xs.shape == (8, 4, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.sample(0), "n: got 0"),
        (lambda f: f.sample(3, steps=0), "steps: got 0"),
        (lambda f: f.sample(3, solver="Huen"), "did you mean Heun"),
        (lambda f: f.sample(3, cond=1), "without conditions"),
        (lambda f: f.transport(torch.zeros(3, 5)), r"shape \[5\], expected \[2\]"),
        (lambda f: f.transport(torch.full((1, 2), math.nan)), "not finite"),
        (lambda f: f.transport([["a", "b"]]), "expected rows of numbers"),
        (lambda f: f.log_prob(torch.zeros(3)), r"shape \[3\], expected \[N, \*E\]"),
        (lambda f: f.sample(2, guidance=2.0), "condition"),
        (lambda f: f.sample(2, guidance="CFGZeroStar"), "guidance.scale is not set"),
        # types that the checker of the tests would refuse at the door
        (lambda f: checked_guidance(True, "guidance"), "guidance: got True"),
        (lambda f: checked_guidance(object(), "guidance"), "guidance: got <object"),
        (lambda f: _whole(2.0, "n"), r"n: got 2\.0"),
        (lambda f: _whole("2", "n"), "n: got '2'"),
        (lambda f: _whole(True, "n"), "n: got True"),
        (lambda f: f._generator(3, "sample"), "generator: got 3"),
    ],
)
def test_wrong_calls_are_told_how_to_mend_them(plain, call, message):
    with pytest.raises(InvalidInput, match=message):
        call(plain)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Flow("mons"), "unknown recipe 'mons'; did you mean moons"),
        (lambda: Flow("missing.yaml"), "cannot be read"),
        (lambda: Flow(coupling="ExcatOT"), "did you mean ExactOT"),
        (lambda: Flow(net="MPL"), "did you mean MLP"),
        (lambda: Flow(training={"step": 3}), "did you mean steps"),
        (lambda: Flow().sample(3), "learned nothing yet"),
        (lambda: Flow().fit(cond=torch.zeros(3)), "give x1 too"),
        (lambda: Flow().fit(torch.zeros(3)), r"expected \[N, \*E\]"),
        (lambda: Flow().fit(torch.full((3, 2), math.inf)), "row"),
        (lambda: Flow().fit(torch.zeros(3, 2), cond=torch.zeros(4, dtype=torch.int64)), "rows"),
        (lambda: Flow().fit(torch.zeros(3, 2), cond=["a", "b", "c"]), "cond"),
        (lambda: Flow().fit(torch.zeros(3, 2), x0=torch.zeros(3, 4)), "shape"),
        (lambda: Flow().fit(torch.zeros(3, 2), cond=torch.tensor([-1, 0, 1])), "count from 0"),
        (lambda: Flow().fit(torch.zeros(3, 2), cond=torch.full((3, 1), math.nan)), "cond holds nan at row 0"),
        (lambda: Flow().fit(torch.zeros(3, 2), cond=torch.tensor([0, 10**6, 2])), "up to 1000000 for 3 rows"),
        (lambda: Flow(sampling={"guidance": 2.0}).fit(torch.zeros(3, 2)), "the data have none"),
        (lambda: Flow(sampling={"guidance": 2.0}).fit(rows(4), cond=torch.arange(4)), "train with objective.cond_drop"),
        (lambda: Flow(coupling="Paired").fit(rows(100), x0=rows(10)), "10 rows x0 and 100 rows x1"),
        (lambda: Flow(training={"validate_every": 2}).fit(rows(100)), "no held-out data came"),
        (lambda: Flow.load("nowhere"), "no run folder"),
    ],
)
def test_wrong_beginnings_are_told_how_to_mend_them(build, message):
    with pytest.raises((InvalidInput, Incompatible), match=message):
        build()


def test_labels_out_of_range_are_named(labelled):
    with pytest.raises(InvalidInput, match=r"condition 7 is out of range.*0 to 1"):
        labelled.sample(3, cond=7)
    with pytest.raises(InvalidInput, match="expected 3 integer labels"):
        labelled.sample(3, cond=[0, 1])
    with pytest.raises(InvalidInput, match="integer labels"):
        labelled.sample(2, cond=[0.5, 1.0])


def test_damaged_runs_are_named(plain, tmp_path):
    plain.save(tmp_path)
    config = tmp_path / "config.yaml"
    whole = config.read_text()
    config.write_text(write_yaml(read_yaml(config) | {"net": None}))
    with pytest.raises(InvalidInput, match=r"config\.yaml names no net; restore"):
        Flow.load(tmp_path)
    config.write_text(whole)
    model = tmp_path / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(InvalidInput, match=r"model\.safetensors is damaged"):
        Flow.load(tmp_path)
    model.unlink()
    with pytest.raises(InvalidInput, match=r"model\.safetensors does not exist"):
        Flow.load(tmp_path)
    assert CondOT() == plain.config.path.schedule
