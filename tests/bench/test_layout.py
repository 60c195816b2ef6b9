"""Generated layouts beside real ones."""

from pathlib import Path

import numpy as np
import pytest

from pushforward.bench import Job, Layout


@pytest.mark.story
def test_every_task_is_measured_and_what_is_given_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    lines = []
    assert not list(Layout().measure(Job((), Path("unused"), lines.append)))
    assert "left out" in lines[-1]
    (tmp_path / "layout").mkdir()
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 1, (60, 5, 2, 2)), 2).reshape(60, 5, 4).astype(np.float32)
    mask = np.arange(5) < rng.integers(2, 6, (60, 1))
    labels = np.where(mask, rng.integers(1, 26, (60, 5)), 0).astype(np.uint8)
    np.savez(tmp_path / "layout" / "rico_test_layouts.npz", box_ltrb=boxes, category=labels, mask=mask)
    rows = [row for part in Layout(steps=2, layouts=12).measure(Job((), tmp_path, lines.append)) for row in part]
    assert (tmp_path / "layout.png").read_bytes().startswith(b"\x89PNG")
    found = {(row.method, row.metric): row.value for row in rows}
    for task in ("unconditional", "labels given", "labels and sizes given", "completion"):
        assert found[task, "given_moved"] == 0
        assert found[task, "box_distance"] > 0
    assert found["labels given", "label_variation"] == found["boxes dealt anew", "label_variation"] == 0
    assert found["shaken, then refined", "error_before"] == pytest.approx(0.05, rel=0.3)
    assert all("quick" in row.case for row in rows)
