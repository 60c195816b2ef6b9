"""Recipes as they are shipped: that each of them runs, and that the demo reaches its figures."""

import gzip

import pytest
import torch

from pushforward.config import override, parse
from pushforward.flow import Flow, evaluate
from pushforward.recipes import load, names, summary

OUTSIDE = {"characters", "dna", "images", "mnist", "smiles", "tabular", "torsions"}  # need data that is not here


@pytest.mark.parametrize("name", names())
def test_every_recipe_is_a_configuration_with_a_summary(name):
    assert parse(load(name)).recipe == name
    assert summary(name).endswith(".")


@pytest.mark.parametrize("name", sorted(set(names()) - OUTSIDE))
def test_every_recipe_trains_and_samples(name):
    flow = Flow(name, training={"steps": 4, "log_every": 1, "batch_size": 32}).fit()
    assert [line["step"] for line in flow.history_] == [1, 2, 3, 4]
    x = flow.sample(8, steps=2)
    assert x.shape == (8, *flow.frame_.shape)
    assert torch.isfinite(x).all()


def test_characters_are_those_of_any_text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("any text will do, " * 100)
    recipe = override(load("characters"), {"data.path": str(file), "data.length": 16, "net.width": 16, "net.depth": 1})
    flow = Flow(recipe, training={"steps": 2, "batch_size": 4, "workers": 0}).fit()
    assert flow.config_.path.space.vocab == len(set(file.read_text()))
    assert len(flow.decode(flow.sample(1, steps=2))[0]) == 16


def test_molecules_are_those_of_any_table(tmp_path, monkeypatch):
    (tmp_path / "molecule").mkdir()
    chains = [f"{'C' * k}{end},{'test' if k % 3 == 0 else 'train'}" for k in range(1, 7) for end in ("", "O", "Br")]
    table = gzip.compress("\n".join(["smiles,split", *chains]).encode())
    (tmp_path / "molecule" / "moses_smiles_100k.csv.gz").write_bytes(table)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    flow = Flow("smiles", training={"steps": 2, "batch_size": 4, "workers": 0}).fit()
    assert flow.frame_.tokeniser.symbols == ("Br", "C", "O")
    texts = flow.decode(flow.sample(5))
    assert all(set(text) <= set("BrCO") for text in texts)


@pytest.mark.story
def test_the_demo_reaches_its_figures():
    """As shipped: samples of the class asked for, new ones, as near to held-out digits as other digits are."""
    found = evaluate(Flow("digits").fit()).metrics
    assert found["class_accuracy"] >= 0.98
    assert found["copies"] <= 0.025
    assert found["wasserstein"] <= 1.03 * found["wasserstein_floor"]
