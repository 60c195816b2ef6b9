"""Data to data on small budgets: the figures mean what they say."""

import pytest

from pushforward.bench import Job
from pushforward.bench.transfer import IMAGES, PLANE, Transfer
from pushforward.data import Digits


@pytest.mark.story
def test_rows_become_rows_of_the_other_kind(tmp_path):
    suite = Transfer(steps=(1500, 300), points=500, images=Digits(flat=False), seeds=(0,))
    rows = [row for part in suite.measure(Job((), tmp_path, lambda line: None)) for row in part]
    found = {(row.case.split(",")[0], row.metric): row.value for row in rows}
    assert found[PLANE, "wasserstein"] < 3 * found[PLANE, "wasserstein_floor"]
    assert found[IMAGES, "called_target"] > 0.9
    assert found[IMAGES, "real_called_target"] > 0.95
    assert found[IMAGES, "moved"] < found[IMAGES, "moved_at_random"]
    assert found[PLANE, "back"] < 0.05
    assert {file.name for file in tmp_path.iterdir()} == {"transfer_plane.png", "transfer_images.png"}
