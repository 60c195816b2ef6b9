"""One process writes."""

import pytest

from pushforward.training import main_process


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_only_the_first_process_writes(monkeypatch, name):
    for each in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(each, raising=False)
    assert main_process()
    monkeypatch.setenv(name, "0")
    assert main_process()
    monkeypatch.setenv(name, "3")
    assert not main_process()
