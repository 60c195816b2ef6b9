"""The frame in the header of a model file: what was written, or one sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import pushforward as pf
from pushforward.core import InvalidInput
from pushforward.flow.frame import Frame
from pushforward.flow.saved import read_frame, write_model
from pushforward.objectives import FlowMatching

FRAME = Frame(
    (3,),
    classes=2,
    transform=pf.data.Standardise.fit(torch.randn(9, 3)),
    columns=("a", "b", "c"),
    class_names=("x", "y"),
    vocab=3,
    tokeniser=pf.data.Smiles(("C", "O")),
)


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model.safetensors", nn.Linear(3, 3), FlowMatching(), FRAME)
    return tmp_path / "model.safetensors"


def test_what_is_read_is_what_was_written(model):
    found = read_frame(model)
    assert {**vars(found), "transform": None} == {**vars(FRAME), "transform": None}
    assert torch.equal(found.transform.mean, FRAME.transform.mean)


def changed(**values):
    found = json.loads(FRAME.written()["frame"]) | values
    return json.dumps({key: value for key, value in found.items() if value != "gone"})


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "{}",
        "[]",
        "null",
        changed(more=1),
        changed(shape="gone"),
        changed(shape=3),
        changed(shape=["3"]),
        changed(classes="two"),
        changed(columns=3),
        changed(transform=None),
        changed(transform={}),
        changed(transform={"type": "Pickle"}),
        changed(transform={"type": "Standardise", "more": 1}),
    ],
)
def test_a_damaged_frame_is_one_sentence(model, header):
    save_file(load_file(model), model, metadata={"frame": header})
    with pytest.raises(InvalidInput, match=r"model\.safetensors is damaged \(.*; restore it from a copy") as caught:
        read_frame(model)
    assert "\n" not in str(caught.value)
