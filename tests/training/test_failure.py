import json
import math
from dataclasses import replace

import pytest
from torch import nn

from pushforward.core import InvalidInput, Loss, RunFailed
from pushforward.training import complete_steps, train


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((16, float("nan")), "^step 17 has loss nan"),
        ((16, 1e25), "^step 17 has loss inf"),
        ((19, float("inf")), "^step 20 has loss inf"),
    ],
)
def test_the_first_bad_step_stops_the_run_and_the_good_checkpoint_stays(toy, tmp_path, wrong, said):
    with pytest.raises(RunFailed, match=said) as caught:
        train(toy.line(), toy.quiet, toy.draws(*wrong), replace(toy.short, gradient_clip=None), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert complete_steps(tmp_path / "checkpoint") == [10]
    assert [json.loads(text)["step"] for text in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [10]
    done = train(toy.line(), toy.quiet, toy.draws(), toy.short, folder=tmp_path, resume=True)
    assert all(math.isfinite(r["loss"]) for r in done.history)


def test_a_bad_gradient_under_a_good_loss_is_named(toy, tmp_path):
    class Corner:
        def __call__(self, net, batch, *, generator=None):
            x = net(batch.x0, batch.x0[:, 0])
            return Loss((x - x).square().sum().sqrt(), {})  # 0, with a slope of 0/0

    with pytest.raises(RunFailed, match=r"^step 1 has loss 0 and gradient norm nan"):
        train(toy.line(), Corner(), toy.draws(), toy.short, folder=tmp_path)


def test_weights_that_broke_in_the_last_step_are_not_saved(toy, tmp_path):
    """Loss and gradient are finite, but the update overflows."""
    settings = replace(toy.short, steps=10, warmup=0, final_learning_rate=None, learning_rate=1e39, checkpoint_every=1)
    with pytest.raises(RunFailed, match=r"^step 1 left .* not finite; lower training.learning_rate"):
        train(toy.line(), toy.quiet, toy.draws(), replace(settings, log_every=1), folder=tmp_path)
    assert complete_steps(tmp_path / "checkpoint") == []


def test_a_checkpoint_between_two_lines_names_the_step_all_the_same(toy, tmp_path):
    with pytest.raises(RunFailed, match=r"^step 6 "):
        train(toy.line(), toy.quiet, toy.draws(broken=5), replace(toy.short, log_every=40), folder=tmp_path)


def test_samples_and_validation_wait_for_good_numbers(toy):
    called = []
    settings = replace(toy.short, sample_every=4, validate_every=4, log_every=40)
    with pytest.raises(RunFailed, match=r"^step 6 "):
        train(
            toy.line(),
            toy.quiet,
            toy.draws(broken=5),
            settings,
            validation=toy.draws(),
            on_sample=lambda net, step: called.append(step),
        )
    assert called == [4]


def test_a_full_disk_stops_the_run_and_the_good_checkpoint_stays(toy, tmp_path, small_files):
    wide = toy.line(width=2000)  # 80 kB of weights, and again for the average and the optimiser
    train(wide, toy.quiet, toy.draws(), replace(toy.short, steps=10), folder=tmp_path)
    with small_files(100_000), pytest.raises(InvalidInput, match=r"cannot write .*step-00000020"):
        train(toy.line(width=2000), toy.quiet, toy.draws(), toy.short, folder=tmp_path, resume=True)
    assert complete_steps(tmp_path / "checkpoint") == [10]
    assert train(toy.line(width=2000), toy.quiet, toy.draws(), toy.short, folder=tmp_path, resume=True).step == 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validate_every": 5}, "no held-out data came"),
        ({"sample_every": 5}, "no on_sample came"),
        ({"device": "mps"}, "training.device is mps, which this machine does not have; use auto or cpu"),
        ({"device": "cuda:99"}, "this machine"),
    ],
)
def test_what_cannot_be_is_refused(toy, change, message):
    with pytest.raises(InvalidInput, match=message):
        train(toy.line(), toy.regression, toy.draws(), replace(toy.short, **change))


def test_a_net_without_parameters_is_refused(toy):
    with pytest.raises(InvalidInput, match="no trainable parameters"):
        train(nn.Tanh(), toy.regression, toy.draws(), toy.short)
