"""Codes of layouts, and the loader of screens."""

import numpy as np
import pytest
import torch

from pushforward.config import build, describe
from pushforward.core import InvalidInput
from pushforward.data import LayoutCode, Loader, RicoLayouts


@pytest.mark.parametrize("labels", [2, 5, 8, 25])
def test_every_label_and_box_comes_back(labels):
    code, g = LayoutCode(labels), torch.Generator().manual_seed(0)
    label = torch.arange(labels)
    boxes = torch.rand(labels, 2, 2, generator=g).sort(1).values.flatten(1)
    x = code.encode(boxes, label)
    assert x.shape == (labels, 4 + code.bits)
    assert 2 ** (code.bits - 1) < labels <= 2**code.bits
    assert ((x >= -1) & (x <= 1)).all()
    again, found = code.decode(x)
    torch.testing.assert_close(again, boxes)
    assert torch.equal(found, label)
    assert torch.equal(code.decode(x + 0.9 * (torch.rand(x.shape, generator=g) - 0.5))[1], label)


def test_codes_beyond_the_labels_go_to_the_nearest_one():
    """5 labels in 3 bits. 111 = 7 is a bit from 011 and two from 100: clipping would make it the last label, 4."""
    x = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0])
    assert LayoutCode(5).decode(x)[1].item() == 3


def test_screens_are_codes_padded_with_zeros(tmp_path, monkeypatch):
    (tmp_path / "layout").mkdir()
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 1, (10, 4, 2, 2)), 2).reshape(10, 4, 4).astype(np.float32)
    mask = np.arange(4) < rng.integers(1, 5, (10, 1))
    labels = np.where(mask, rng.integers(1, 26, (10, 4)), 0).astype(np.uint8)
    np.savez(tmp_path / "layout" / "rico_test_layouts.npz", box_ltrb=boxes, category=labels, mask=mask)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    data = RicoLayouts().load()
    x, cond = data.train.take(99)
    y, other = data.held_out().take(99)
    assert (x.shape, y.shape) == ((8, 4, 9), (2, 4, 9))
    assert (x[cond["real"] == 0] == 0).all()
    found, label = RicoLayouts.code().decode(torch.cat([x, y])[torch.cat([cond["real"], other["real"]]) > 0])
    rows = torch.cat([found, label[:, None] + 1], 1)
    wanted = torch.cat([torch.tensor(boxes[mask]), torch.tensor(labels[mask])[:, None]], 1)
    torch.testing.assert_close(rows[rows[:, 0].argsort()], wanted[wanted[:, 0].argsort()], rtol=0, atol=1e-6)


def test_it_is_written_and_read_back_and_says_what_is_wrong(tmp_path, monkeypatch):
    assert build(describe(RicoLayouts(0.3, 1)), Loader, "data") == RicoLayouts(0.3, 1)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match="rico_test_layouts"):
        RicoLayouts().load()
    with pytest.raises(InvalidInput, match="labels is 1"):
        LayoutCode(1)
    with pytest.raises(InvalidInput, match="test_fraction is 1"):
        RicoLayouts(1.0)
