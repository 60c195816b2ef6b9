"""Rounds of rectified flow: pairs on disk, exact Gaussian rounds, and what a round is for."""

import json

import pytest
import torch

import pushforward as pf
from pushforward.core import Incompatible, InvalidInput
from pushforward.flow import couples, distil, reflow, straightness
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine


@pytest.fixture(scope="module")
def field():
    mean, covariance = torch.tensor([[1.0, -0.5]]).double(), torch.tensor([[[0.5, 0.3], [0.3, 0.4]]]).double()
    return GaussianMixture(mean, covariance).along(Affine())


@pytest.fixture
def flow(field):
    """A fitted flow whose velocity is exact."""
    found = pf.Flow({"net": {"type": "MLP", "width": 8}, "sampling": {"solver": "RK4", "steps": 40}}, seed=3)
    found.fit(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), steps=2)
    found.field_ = field
    return found


def test_pairs_are_the_ends_of_trajectories(flow, field):
    x0, x1, cond = couples(flow, 100, shard=32)
    assert cond is None
    # 40 steps of RK4 on a smooth field, in float32
    torch.testing.assert_close(x1, field.flow_map(x0, 0.0, 1.0), rtol=0, atol=1e-5)
    again = couples(flow, 100, shard=32)
    assert torch.equal(x0, again[0])
    assert not torch.equal(x0, couples(flow, 100, shard=32, seed=1)[0])


def test_a_round_of_a_gaussian_is_straight(field):
    """On the lines of its own pairs the velocity is x1 - x0, whose flow has no curvature; transport costs less."""
    n = 20_000
    x0 = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    A = field.flow_map(torch.eye(2, dtype=torch.float64), 0.0, 1.0) - field.flow_map(
        torch.zeros(1, 2).double(), 0.0, 1.0
    )
    mean = field.flow_map(torch.zeros(1, 2).double(), 0.0, 1.0)

    def rectified(x, t, cond=None):
        """x_t = ((1 - t) I + t A) x0 + t m is solved for x0, and x1 - x0 is what it was."""
        s = t[:, None, None]
        B = (1 - s) * torch.eye(2, dtype=torch.float64) + s * A
        start = torch.linalg.solve(B, (x - t[:, None] * mean)[..., None])[..., 0]
        return start @ A.T + mean - start

    assert pf.metrics.curvature(rectified, x0, steps=10) < 1e-20
    assert pf.metrics.curvature(field, x0, steps=100) > 0.1
    one = pf.solve(rectified, x0, [0.0, 1.0], solver=pf.solvers.Euler()).x
    torch.testing.assert_close(one, field.flow_map(x0, 0.0, 1.0), rtol=0, atol=1e-12)


def test_pairs_on_disk_go_on_where_they_stopped(flow, tmp_path):
    whole = couples(flow, 100, folder=tmp_path / "a", shard=32)
    files = sorted((tmp_path / "a").glob("*.safetensors"))
    assert [f.name for f in files] == [f"pairs-{k:05d}.safetensors" for k in range(4)]
    before = files[0].stat().st_mtime_ns
    files[2].unlink()  # as if a run had been killed
    files[3].unlink()
    again = couples(flow, 100, folder=tmp_path / "a", shard=32)
    assert files[0].stat().st_mtime_ns == before
    assert all(torch.equal(a, b) for a, b in zip(whole[:2], again[:2], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(whole[:2], couples(flow, 100, shard=32)[:2], strict=True))


def test_folders_of_other_pairs_are_refused(flow, tmp_path):
    couples(flow, 10, folder=tmp_path)
    for other in ({"n": 11}, {"n": 10, "seed": 1}, {"n": 10, "shard": 5}):
        with pytest.raises(InvalidInput, match=r"holds pairs of .*choose another folder"):
            couples(flow, folder=tmp_path, **other)
    with torch.no_grad():
        next(flow.net_.parameters()).add_(1.0)
    with pytest.raises(InvalidInput, match="choose another folder"):
        couples(flow, 10, folder=tmp_path)
    (tmp_path / "pairs.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"pairs\.json is damaged"):
        couples(flow, 10, folder=tmp_path)


def test_damaged_shards_say_so(flow, tmp_path):
    couples(flow, 10, folder=tmp_path)
    (tmp_path / "pairs-00000.safetensors").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match=r"damaged .*delete it, and it is made again"):
        couples(flow, 10, folder=tmp_path)


@pytest.mark.parametrize(("arguments", "match"), [({"n": 0}, "at least one pair"), ({"n": 5, "shard": 0}, "one row")])
def test_refuses_no_pairs(flow, arguments, match):
    with pytest.raises(InvalidInput, match=match):
        couples(flow, **arguments)


def test_conditions_go_with_their_pairs():
    labels = torch.arange(60) % 3
    x = torch.randn(60, 2) + 5.0 * labels[:, None]
    flow = pf.Flow({"net": {"type": "MLP", "width": 8}, "training": {"steps": 3}}).fit(x, cond=labels)
    _, _, cond = couples(flow, 7)
    assert torch.equal(cond, torch.arange(7) % 3)
    assert torch.equal(couples(flow, 4, cond=2)[2], torch.tensor([2, 2, 2, 2]))
    vectors = pf.Flow({"net": {"type": "MLP", "width": 8}, "training": {"steps": 3}}).fit(x, cond=x[:, :1])
    drawn = couples(vectors, 7)[2]
    assert drawn.shape == (7, 1)
    assert all(any(torch.equal(row, other) for other in x[:, :1]) for row in drawn)
    told = reflow(flow, 30, training_steps=2)
    assert told.sample(3, cond=1).shape == (3, 2)


def test_a_round_is_a_flow_of_its_own(flow, tmp_path):
    before = {k: v.clone() for k, v in flow.net_.state_dict().items()}
    found = reflow(flow, 40, folder=tmp_path / "round", training_steps=5)
    assert all(torch.equal(v, before[k]) for k, v in flow.net_.state_dict().items())
    assert any(not torch.equal(v, before[k]) for k, v in found.net_.state_dict().items())
    assert json.loads((tmp_path / "round" / "pairs" / "pairs.json").read_text())["n"] == 40
    loaded = pf.Flow.load(tmp_path / "round")
    g = lambda: torch.Generator().manual_seed(0)
    assert torch.equal(loaded.sample(5, generator=g()), found.sample(5, generator=g()))
    again = reflow(flow, 40, folder=tmp_path / "round", training_steps=5)  # finished: nothing is made again
    assert torch.equal(again.sample(5, generator=g()), found.sample(5, generator=g()))
    assert len(found.history_) >= 1
    with pytest.raises(Incompatible, match="needs the score"):
        found.sample(2, solver="EulerMaruyama")  # pairs tie noise to data


def test_distillation_is_sampled_in_its_own_calls(flow, tmp_path):
    found = distil(flow, 40, calls=2, folder=tmp_path, training_steps=5)
    assert found.config_.sampling.steps == 2
    loaded = pf.Flow.load(tmp_path)
    assert loaded.config_.sampling == found.config_.sampling
    assert loaded.config_.bound.times.steps == 2
    with pytest.raises(InvalidInput, match="at least one step"):
        distil(flow, 40, calls=0)


def test_other_objectives_are_refused():
    flow = pf.Flow(
        {
            "net": {"type": "MLP", "width": 8},
            "objective": {"type": "Joint", "coupling": "VariationalNoise", "objective": "FlowMatching"},
            "training": {"steps": 2},
        }
    ).fit(torch.randn(20, 2))
    with pytest.raises(Incompatible, match="this flow has Joint"):
        reflow(flow, 10)


@pytest.mark.story
def test_two_rounds_straighten_and_one_step_gets_better():
    """8 gaussians to moons with independent pairs: straightness halves at least, and so does what one step is off."""
    spec = {"training.steps": 1200, "training.ema": 0.99, "coupling": "Independent"}
    flow = pf.Flow(pf.config.override(pf.recipes.load("8gaussians_to_moons"), spec)).fit()
    x0 = flow.dataset().source.take(1000, 5)[0]
    real = flow.dataset().train.take(1000, 5)[0]

    def judged(flow):
        one = flow.transport(x0, solver="Euler", steps=1)
        return straightness(flow, 500), pf.metrics.wasserstein(one, real)

    found = [judged(flow)]
    for round in range(2):
        flow = reflow(flow, 4000, training_steps=800, seed=round)
        found.append(judged(flow))
    (bent, far), (less, nearer), (least, nearest) = found
    assert less < bent / 2
    assert least < less
    assert nearest < nearer < far / 2
