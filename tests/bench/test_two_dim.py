from dataclasses import replace
from itertools import groupby

import pytest
import torch

from pushforward.bench import SUITES, Job, TwoDim, run
from pushforward.bench.entrants import TUTORIAL, entrants
from pushforward.bench.published import EIGHT_GAUSSIANS_TO_MOONS
from pushforward.config import override, parse
from pushforward.paths import Constant
from pushforward.recipes import load

TINY = TwoDim(steps=3, points=30, seeds=(4, 5))
OURS = ["ExactOT", "Independent", "recipe 8gaussians_to_moons"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder, lines = tmp_path_factory.mktemp("bench"), []
    cases = list(TINY.measure(Job((), folder, lines.append)))
    return [row for rows in cases for row in rows], folder, lines


def test_rows(measured):
    rows, _, lines = measured
    assert {row.suite for row in rows} == {"two_dim"}
    own = [row for row in rows if row.source == "ours"]
    assert {row.case for row in own} == {"8 gaussians -> moons, quick (3 steps, 30 points)"}
    for seed in TINY.seeds:
        found = {m: {r.metric for r in g} for m, g in groupby((r for r in own if r.seed == seed), lambda r: r.method)}
        assert list(found)[:3] == ["floor, independent draws", "floor, the tutorial's draws", "source to target"]
        assert list(found)[3:] == OURS
        assert all(
            found[name]
            == {"wasserstein", "squared_wasserstein", "path_energy", "normalised_path_energy", "training_seconds"}
            for name in OURS
        )
    assert len(lines) == len(TINY.seeds) * (1 + 2 * len(OURS))


def test_published_rows(measured):
    rows = [row for row in measured[0] if row.source == "published"]
    assert [(row.method, row.value) for row in rows] == [(p.label(), p.value) for p in EIGHT_GAUSSIANS_TO_MOONS]
    assert all(row.case == "8 gaussians -> moons" and row.seed is None for row in rows)


def test_numbers_hang_together(measured):
    value = {(row.seed, row.method, row.metric): row.value for row in measured[0]}
    for seed in TINY.seeds:
        least = value[seed, "source to target", "squared_wasserstein"]
        for name in OURS:
            assert value[seed, name, "squared_wasserstein"] == value[seed, name, "wasserstein"] ** 2
            energy = value[seed, name, "path_energy"]
            assert value[seed, name, "normalised_path_energy"] == pytest.approx((energy - least) / least, abs=1e-12)


def test_the_picture_is_drawn(measured):
    assert (measured[1] / "two_dim.png").read_bytes().startswith(b"\x89PNG")


def test_only_the_protocol_bears_its_name():
    assert TwoDim(seeds=(0,)).case == "8 gaussians -> moons"
    assert "quick (2000 steps, 2000 points)" in SUITES["two_dim"].quick.case
    assert "quick" in replace(TwoDim(), points=1000).case


def test_the_protocol_is_the_tutorials():
    config = parse(override(load("8gaussians_to_moons"), TUTORIAL))
    training = config.training
    assert config.path.latent == Constant(0.1)
    assert (training.steps, training.batch_size, training.betas) == (20_000, 256, (0.9, 0.999))
    assert [training.rate(step) for step in (0, 10_000, 19_999)] == [1e-3] * 3
    assert (training.ema, training.gradient_clip, training.weight_decay) == (None, None, 0.0)
    assert [(layer.in_features, layer.out_features) for layer in linears(config)] == [
        (3, 64),
        (64, 64),
        (64, 64),
        (64, 2),
    ]


def test_the_recipe_keeps_network_steps_and_batch():
    recipe, protocol = (parse(override(load("8gaussians_to_moons"), given)) for given in ({}, TUTORIAL))
    assert str(recipe.net(shape=(2,))) == str(protocol.net(shape=(2,)))
    assert (recipe.training.steps, recipe.training.batch_size) == (20_000, 256)


def linears(config):
    return [m for m in config.net(shape=(2,)).modules() if isinstance(m, torch.nn.Linear)]


def test_peers_enter_when_asked():
    pytest.importorskip("torchcfm", reason="torchcfm is not installed: pip install --no-deps torchcfm torchdiffeq")
    found = entrants(2, ("torchcfm",))
    assert [(e.method, e.source) for e in found[len(OURS) :]] == [("OT-CFM", "torchcfm"), ("I-CFM", "torchcfm")]
    x, t = torch.zeros(4, 2), torch.zeros(4)
    assert all(e.train(0)(x, t).shape == (4, 2) for e in found)


def test_entrants_train_from_their_seed():
    x, t = torch.ones(4, 2), torch.full((4,), 0.5)
    for entrant in entrants(2, ()):
        first, again, other = (entrant.train(seed)(x, t) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


@pytest.mark.story
def test_transport_straightens_the_flow(tmp_path):
    """What the suite is for, at its quick budget: OT-CFM spends less energy than I-CFM, near the least there is."""
    rows = run(["two_dim"], quick=True, out=tmp_path, say=lambda line: None)
    value = {(row.method, row.metric): row.value for row in rows}
    # measured 0.0x against 1.x; an exact map has 0
    assert abs(value["ExactOT", "normalised_path_energy"]) < 0.15
    assert value["Independent", "normalised_path_energy"] > 0.5
    for name in OURS:
        assert value[name, "wasserstein"] > value["floor, the tutorial's draws", "wasserstein"]
    assert value["ExactOT", "wasserstein"] < value["Independent", "wasserstein"]
