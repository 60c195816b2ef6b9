from pushforward.bench import few_step_cost
from pushforward.bench.few_step_cost import ENTRANTS, FewStepCost
from pushforward.bench.job import Job


def test_every_entrant_is_timed_in_steps_of_flow_matching(monkeypatch, tmp_path):
    first = dict([next(iter(few_step_cost.NETS.items()))])
    monkeypatch.setattr(few_step_cost, "NETS", first)
    said = []
    (rows,) = FewStepCost(steps=2, turns=1).measure(Job((), tmp_path, said.append))
    found = {(row.method, row.metric): row.value for row in rows}
    assert {name for name, _ in found} == ENTRANTS.keys()
    assert found["flow matching", "over_flow_matching"] == 1
    for name in ENTRANTS:
        ratio = found[name, "step_seconds"] / found["flow matching", "step_seconds"]
        assert found[name, "over_flow_matching"] == ratio
    assert len(said) == 1
