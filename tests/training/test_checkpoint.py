import hashlib
import json

import pytest
import torch

from pushforward import __version__
from pushforward.core import InvalidInput
from pushforward.training import complete_steps, load_checkpoint, save_checkpoint


def save(folder, step, keep=5, size=3):
    save_checkpoint(folder, step, {"module/w": torch.full((size,), float(step))}, {"seed": 4, "best": None}, keep=keep)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path):
    save(tmp_path, 500)
    assert names(tmp_path) == ["step-00000500.json", "step-00000500.safetensors"]
    found = load_checkpoint(tmp_path)
    assert found.step == 500
    assert torch.equal(found.tensors["module/w"], torch.full((3,), 500.0))
    sidecar = json.loads((tmp_path / "step-00000500.json").read_text())
    digest = hashlib.sha256((tmp_path / "step-00000500.safetensors").read_bytes()).hexdigest()
    assert sidecar == {"step": 500, "sha256": digest, "version": __version__, "seed": 4, "best": None}


def test_nothing_there(tmp_path):
    assert load_checkpoint(tmp_path / "none") is None
    assert complete_steps(tmp_path) == []


def test_the_newest_stay_and_leftovers_go(tmp_path):
    (tmp_path / ".step-00000007.safetensors.1.tmp").write_bytes(b"half")
    for step in (1, 2, 30, 100):
        save(tmp_path, step, keep=2)
    assert complete_steps(tmp_path) == [30, 100]
    assert names(tmp_path) == sorted(f"step-{k:08d}.{e}" for k in (30, 100) for e in ("json", "safetensors"))


@pytest.mark.parametrize("torn", [None, b"", b'{"step": 20, "sha', b"[]", b'{"sha256": "x"}'])
def test_without_a_whole_sidecar_a_checkpoint_does_not_count(tmp_path, torn):
    save(tmp_path, 10)
    (tmp_path / "step-00000020.safetensors").write_bytes(b"half a file")
    if torn is not None:
        (tmp_path / "step-00000020.json").write_bytes(torn)
    assert complete_steps(tmp_path) == [10]
    assert load_checkpoint(tmp_path).step == 10
    save(tmp_path, 20)  # and the run that comes here again writes over it
    assert load_checkpoint(tmp_path).step == 20


def flip(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_a_damaged_checkpoint_names_the_file_and_the_way_out(tmp_path):
    save(tmp_path, 10)
    save(tmp_path, 20)
    flip(tmp_path / "step-00000020.safetensors")
    with pytest.raises(InvalidInput, match=r"step-00000020.safetensors is damaged .* resume from step 10$") as caught:
        load_checkpoint(tmp_path)
    (tmp_path / str(caught.value).split("delete ")[1].split(" to ")[0]).unlink()
    assert load_checkpoint(tmp_path).step == 10
    flip(tmp_path / "step-00000010.safetensors")
    with pytest.raises(InvalidInput, match=r"start again from step 0$"):
        load_checkpoint(tmp_path)


def test_missing_and_foreign_tensors(tmp_path):
    save(tmp_path, 10)
    tensors, sidecar = tmp_path / "step-00000010.safetensors", tmp_path / "step-00000010.json"
    tensors.write_bytes(b"right checksum, wrong format")
    record = json.loads(sidecar.read_text()) | {"sha256": hashlib.sha256(tensors.read_bytes()).hexdigest()}
    sidecar.write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match="cannot be read as safetensors; delete"):
        load_checkpoint(tmp_path)
    tensors.unlink()
    with pytest.raises(InvalidInput, match="is missing"):
        load_checkpoint(tmp_path)


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path, small_files):
    save(tmp_path, 10, keep=1)
    before = names(tmp_path)
    with (
        small_files(4000),
        pytest.raises(InvalidInput, match=r"^cannot write .*step-00000020.safetensors: .*make room"),
    ):
        save(tmp_path, 20, keep=1, size=10_000)
    assert names(tmp_path) == before
    assert load_checkpoint(tmp_path).step == 10
