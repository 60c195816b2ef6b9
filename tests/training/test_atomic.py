import os
from pathlib import Path

import pytest

from pushforward.core import InvalidInput
from pushforward.training import atomic_write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_writers(tmp_path):
    atomic_write(tmp_path / "new" / "a", b"one")
    atomic_write(tmp_path / "new" / "a", lambda path: path.write_text("two"))
    assert (tmp_path / "new" / "a").read_text() == "two"
    assert names(tmp_path / "new") == ["a"]


def test_the_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(handle):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def note_replace(self, target):
        events.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    atomic_write(tmp_path / "a", b"x")
    assert events == ["file", "replace", "folder"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_dies_leaves_the_old_file_alone(tmp_path, error):
    atomic_write(tmp_path / "a", b"old")

    def write(path):
        path.write_bytes(b"ne")
        raise error

    with pytest.raises(error):
        atomic_write(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk_is_one_sentence(tmp_path, small_files):
    atomic_write(tmp_path / "a", b"old")
    with (
        small_files(1000),
        pytest.raises(InvalidInput, match=r"^cannot write .*a: File too large; make room") as caught,
    ):
        atomic_write(tmp_path / "a", b"x" * 5000)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot write"):
        atomic_write(tmp_path / "file" / "a", b"x")
