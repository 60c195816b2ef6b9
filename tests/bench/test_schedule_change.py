import pytest

from pushforward.bench.job import Job
from pushforward.bench.schedule_change import ScheduleChange


@pytest.mark.story
def test_both_schedules_are_judged_from_the_same_network(tmp_path):
    cases = ScheduleChange(steps=400, samples=400, seeds=(0,)).measure(Job((), tmp_path, lambda line: None))
    rows = [row for case in cases for row in case]
    assert len({row.method for row in rows}) == 5
    accuracy = {row.method: row.value for row in rows if row.metric == "class_accuracy"}
    # both follow one flow, up to the error of their steps: hardly a sample may change its class
    gap = accuracy["CondOT, 16 Heun steps"] - accuracy["VariancePreserving, 64 Heun steps"]
    assert abs(gap) <= 0.02
    assert min(accuracy.values()) > 0.5
