"""Earthquakes in windows."""

import numpy as np
import pytest
import torch

from pushforward.config import build, describe
from pushforward.core import Events, InvalidInput
from pushforward.data import JapanEarthquakes, Loader


def test_the_catalogue_is_cut_and_split_by_time(tmp_path, monkeypatch):
    (tmp_path / "events").mkdir()
    times = np.sort(np.random.default_rng(0).uniform(0, 205, 500))
    np.savez(tmp_path / "events" / "japan_earthquakes.npz", t_days=np.append(times, times[-1]))
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    whole = [JapanEarthquakes(10.0, validation=v).load() for v in (False, True)]
    train, test = (Events(**part.take(99)[0]) for part in (whole[0].train, whole[0].test))
    validation = Events(**whole[1].test.take(99)[0])
    assert [len(part.number) for part in (train, validation, test)] == [14, 3, 3]
    found = torch.cat(
        [
            10.0 * k + part.times[k - first][part.real[k - first]]
            for part, first in ((train, 0), (validation, 14), (test, 17))
            for k in range(first, first + len(part.number))
        ]
    )
    kept = times[times < 200]
    np.testing.assert_allclose(found.numpy(), kept, atol=1e-4)
    for part in (train, validation, test):
        torch.testing.assert_close(part.end, torch.full_like(part.end, 10.0))


def test_magnitudes_stay_with_their_events(tmp_path, monkeypatch):
    """Each is a function of its time here; the second of two events in one instant goes with its magnitude."""
    (tmp_path / "events").mkdir()
    times = np.sort(np.random.default_rng(0).uniform(0, 105, 300))
    times, magnitudes = np.append(times, times[7]), np.append(3 + times / 50, 9.0).astype(np.float32)
    np.savez(tmp_path / "events" / "japan_earthquakes.npz", t_days=times, mag=magnitudes)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    data = JapanEarthquakes(10.0, magnitudes=True).load()
    for part, first in ((data.train, 0), (data.test, 8)):
        found = dict(part.take(99)[0])
        marks = found.pop("marks")
        events = Events(**found)
        wanted = 3 + (10.0 * (first + torch.arange(len(marks)))[:, None] + events.times) / 50
        torch.testing.assert_close(marks[events.real], wanted[events.real], rtol=0, atol=1e-4)
        assert (marks[~events.real] == 0).all()
    plain = JapanEarthquakes(10.0).load().train.take(99)[0]
    assert sorted(plain) == ["gaps", "number", "rest"]


def test_it_is_written_and_read_back_and_says_what_is_wrong(tmp_path, monkeypatch):
    assert build(describe(JapanEarthquakes(7.0)), Loader, "data") == JapanEarthquakes(7.0)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"japan_earthquakes.npz"):
        JapanEarthquakes().load()
    with pytest.raises(InvalidInput, match="days is 0"):
        JapanEarthquakes(0.0)
