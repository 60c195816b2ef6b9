import json
from contextlib import closing

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pushforward.core import InvalidInput
from pushforward.training.logger import Logger


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def write(folder, start, steps):
    with closing(Logger(folder, start)) as logger:
        for step in steps:
            logger.write(step, {"loss": step / 10, "terms": {"fit": step / 20}})
        return logger.history


def test_one_object_a_line_and_the_same_numbers_in_tensorboard(tmp_path):
    history = write(tmp_path, 0, [1, 2, 3])
    assert lines(tmp_path) == history == [{"step": k, "loss": k / 10, "terms": {"fit": k / 20}} for k in (1, 2, 3)]
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(k, pytest.approx(k / 10)) for k in (1, 2, 3)]
    assert len(events.Scalars("terms/fit")) == 3


def test_lines_of_a_life_after_the_checkpoint_are_dropped(tmp_path):
    write(tmp_path, 0, [1, 2, 3, 4])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # killed while writing
    history = write(tmp_path, 2, [3, 5])
    assert [r["step"] for r in history] == [r["step"] for r in lines(tmp_path)] == [1, 2, 3, 5]
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [e.step for e in events.Scalars("loss")] == [1, 2, 3, 5]


def test_a_fresh_start_forgets(tmp_path):
    write(tmp_path, 0, [1])
    assert [r["step"] for r in write(tmp_path, 0, [7])] == [7]


def test_lines_are_there_before_the_end(tmp_path):
    with closing(Logger(tmp_path, 0)) as logger:
        logger.write(1, {"loss": 1.0})
        assert lines(tmp_path) == [{"step": 1, "loss": 1.0}]


def test_without_a_folder_the_history_is_kept():
    assert write(None, 0, [1]) == [{"step": 1, "loss": 0.1, "terms": {"fit": 0.05}}]


@pytest.mark.parametrize("damage", [b"3\n", b'{"a": 1}\n', b'{"step": "1"}\n', b"[]\n", b"\xff\xfe{}\n"])
def test_lines_that_are_no_records_are_dropped(tmp_path, damage):
    write(tmp_path, 0, [1, 2])
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(damage + path.read_bytes())
    assert [r["step"] for r in write(tmp_path, 2, [3])] == [r["step"] for r in lines(tmp_path)] == [1, 2, 3]


def test_what_has_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a" / "metrics.jsonl").mkdir(parents=True)
    with pytest.raises(InvalidInput, match=r"metrics\.jsonl is no file.*; move it away"):
        Logger(tmp_path / "a", 0)
    (tmp_path / "events").write_text("words")
    with pytest.raises(InvalidInput, match=r"events is no folder.*; move it away"):
        Logger(tmp_path, 0)
