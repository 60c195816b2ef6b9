"""Folders of images."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward.core import InvalidInput
from pushforward.data import ImageFolder


def paint(path, value, size=(8, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folder(tmp_path):
    """Classes told apart by their colour."""
    for k in range(5):
        paint(tmp_path / "set" / "blue" / f"{k}.png", (0, 0, 200 + k))
        paint(tmp_path / "set" / "red" / "deep" / f"{k}.PNG", (200 + k, 0, 0), size=(5, 9))
    (tmp_path / "set" / "notes.txt").write_text("no image")
    (tmp_path / "set" / ".thumbnails").mkdir()
    paint(tmp_path / "set" / ".thumbnails" / "t.png", (1, 1, 1))
    return tmp_path / "set"


def test_sub_folders_are_classes(folder):
    data = ImageFolder(str(folder), size=4, test_fraction=0.3).load()
    assert (len(data.train), len(data.test), data.shape) == (7, 3, (3, 4, 4))
    assert (data.classes, data.class_names, data.name) == (2, ("blue", "red"), "set")
    for part in (data.train, data.test):
        x, label = part.take(99)
        assert torch.equal((x[:, 0] >= 200).all((1, 2)).long(), label)
    assert len(data.train.take(99)[0].unique(dim=0)) == 7


def test_model_units_are_minus_one_to_one(tmp_path):
    paint(tmp_path / "a.png", (0, 255, 255))
    paint(tmp_path / "b.png", (0, 255, 255))
    data = ImageFolder(str(tmp_path), size=2).load()
    assert data.classes is None
    y = data.transform.forward(data.train.take(1)[0])
    assert torch.allclose(y, torch.tensor([-1.0, 1.0, 1.0])[None, :, None, None].expand(1, 3, 2, 2))


def test_the_centre_is_kept(tmp_path):
    # a wide image: black, white middle third, black; the middle third is square
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    x, _ = ImageFolder(str(tmp_path), size=10).load().train.take(1)
    assert x.min() == 255


def test_shrinking_averages(tmp_path):
    # a fine checkerboard of 0 and 255 shrinks to grey; without antialiasing it would stay black or white
    pixels = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    x, _ = ImageFolder(str(tmp_path), size=4, grey=True).load().train.take(1)
    assert x.shape == (1, 1, 4, 4)
    assert (x - 127.5).abs().max() < 10


def test_cameras_that_were_turned_are_heeded(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255  # bright above; orientation 3 says: turn by 180 degrees
    exif = Image.Exif()
    exif[0x0112] = 3
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name, exif=exif)
    x, _ = ImageFolder(str(tmp_path), size=8).load().train.take(1)
    assert (x[0, :, :4] == 0).all()
    assert (x[0, :, 4:] == 255).all()


def test_labels_can_be_left_out(folder):
    data = ImageFolder(str(folder), size=4, labels=False).load()
    assert (data.train.take(1)[1], data.classes, data.class_names) == (None, None, None)


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"holds no images \(\.bmp, \.jpeg"):
        ImageFolder(str(tmp_path), size=4).load()
    with pytest.raises(InvalidInput, match="is not a folder"):
        ImageFolder(str(tmp_path / "nowhere"), size=4).load()


def test_images_beside_classes_are_refused(folder):
    paint(folder / "stray.png", (0, 0, 0))
    with pytest.raises(InvalidInput, match=r"both in sub-folders \(classes\) and beside them \(stray.png\)"):
        ImageFolder(str(folder), size=4).load()


@pytest.mark.parametrize("cut", [0, 40])
def test_an_unreadable_file_is_named(folder, cut):
    whole = (folder / "blue" / "3.png").read_bytes()
    (folder / "blue" / "3.png").write_bytes(whole[:cut])
    with pytest.raises(InvalidInput, match=r"blue/3\.png cannot be read as an image") as caught:
        ImageFolder(str(folder), size=4).load()
    assert "\n" not in str(caught.value)


def test_bad_arguments_are_refused(folder):
    with pytest.raises(InvalidInput, match="size is 0"):
        ImageFolder(str(folder), size=0).load()
    with pytest.raises(InvalidInput, match="test_fraction is 0"):
        ImageFolder(str(folder), size=4, test_fraction=0).load()


def test_the_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(InvalidInput, match=r"needs PIL, which is missing; pip install 'pushforward\[files\]'"):
        ImageFolder(str(folder), size=4).load()
