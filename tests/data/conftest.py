"""Data that tests may look at, and a cache that is nobody's."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache, or a folder that the environment names."""
    monkeypatch.setenv("PUSHFORWARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PUSHFORWARD_DATA", raising=False)
    return tmp_path / "cache"


_GIVEN = os.environ.get("PUSHFORWARD_DATA")


@pytest.fixture
def shared_data(cache, monkeypatch):
    """The folder with real data sets: $PUSHFORWARD_DATA, or ../shared/data beside the project."""
    folder = Path(_GIVEN) if _GIVEN else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (folder / "images").is_dir():
        pytest.skip("no real images here; set PUSHFORWARD_DATA to a folder with images/mnist.npz")
    monkeypatch.setenv("PUSHFORWARD_DATA", str(folder))
    return folder
