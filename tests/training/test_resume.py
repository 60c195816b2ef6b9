import json
import os
import signal
from dataclasses import replace

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.training import complete_steps, train


class Death(Exception):
    pass


@pytest.mark.parametrize(
    ("at", "change"), [(3, {}), (17, {}), (39, {}), (17, {"ema": None}), (17, {"workers": 0}), (39, {"workers": 2})]
)
def test_a_run_that_died_resumes_to_the_same_bits(toy, tmp_path, at, change):
    settings = replace(toy.short, **change)

    class Mortal(type(toy.draws())):
        def pairs(self, step, size, *, seed):
            if step == at:
                raise Death
            return super().pairs(step, size, seed=seed)

    whole, halves = tmp_path / "whole", tmp_path / "halves"
    straight = train(toy.line(dropout=0.2), toy.regression, toy.draws(), settings, folder=whole)
    with pytest.raises(Death):
        train(toy.line(dropout=0.2), toy.regression, Mortal(), settings, folder=halves)
    torch.manual_seed(99)
    again = train(toy.line(dropout=0.2), toy.regression, toy.draws(), settings, folder=halves, resume=True)
    assert toy.same(toy.stored(whole), toy.stored(halves))
    assert toy.same(straight.net.state_dict(), again.net.state_dict())
    assert [r["step"] for r in again.history] == [10, 20, 30, 40]
    timeless = [[{k: v for k, v in r.items() if "second" not in k} for r in run.history] for run in (straight, again)]
    assert timeless[0] == timeless[1]
    assert again.history[-1]["seconds"] > again.history[0]["seconds"]


def test_ctrl_c_leaves_a_checkpoint_and_resumes_to_the_same_bits(toy, tmp_path):
    def press(net, step):
        os.kill(os.getpid(), signal.SIGINT)

    pressed = replace(toy.short, sample_every=13)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(toy.line(), toy.regression, toy.draws(), pressed, folder=tmp_path / "a", on_sample=press)
    assert signal.getsignal(signal.SIGINT) is before
    # the key is pressed after step 13 was taken care of, and so the run ends after step 14
    assert complete_steps(tmp_path / "a" / "checkpoint") == [10, 14]
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path / "a", resume=True)
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path / "b")
    assert toy.same(toy.stored(tmp_path / "a"), toy.stored(tmp_path / "b"))


def test_a_finished_run_gives_its_weights_and_can_be_prolonged(toy, tmp_path):
    constant = replace(toy.short, final_learning_rate=None)
    first = train(toy.line(), toy.regression, toy.draws(), replace(constant, steps=20), folder=tmp_path / "a")
    again = train(
        toy.line(), toy.regression, toy.draws(), replace(constant, steps=20), folder=tmp_path / "a", resume=True
    )
    assert again.step == 20
    assert toy.same(first.net.state_dict(), again.net.state_dict())
    train(toy.line(), toy.regression, toy.draws(), constant, folder=tmp_path / "a", resume=True)
    train(toy.line(), toy.regression, toy.draws(), constant, folder=tmp_path / "b")
    assert toy.same(toy.stored(tmp_path / "a"), toy.stored(tmp_path / "b"))


def test_resume_before_the_first_checkpoint_starts(toy, tmp_path):
    assert train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path, resume=True).step == 40


def test_a_folder_with_a_run_is_not_written_over(toy, tmp_path):
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(InvalidInput, match=r"checkpoint holds a run at step 40; resume it, or choose another folder"):
        train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == lines


@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        ({}, (7, 4), "is of a run with seed 0, got 7; use seed 0"),
        ({}, (0, 5), r"'net.inner.weight' has shape \[4, 2\], expected \[5, 2\]"),
        ({"ema": None}, (0, 4), "only the file has 'net.inner.bias'"),
    ],
)
def test_another_run_is_not_resumed(toy, tmp_path, change, wanted, message):
    seed, width = wanted
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path)
    with pytest.raises(InvalidInput, match=message):
        train(
            toy.line(width=width),
            toy.regression,
            toy.draws(),
            replace(toy.short, **change),
            seed=seed,
            folder=tmp_path,
            resume=True,
        )


def test_what_was_trained_must_not_be_frozen(toy, tmp_path):
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path)
    net = toy.line()
    net.inner.weight.requires_grad_(False)
    with pytest.raises(InvalidInput, match=r"trained 'net.inner.weight', which is frozen now"):
        train(net, toy.regression, toy.draws(), toy.short, folder=tmp_path, resume=True)


def test_frozen_weights_stay(toy):
    net = toy.line()
    net.inner.weight.requires_grad_(False)
    before = net.inner.weight.clone()
    assert torch.equal(train(net, toy.regression, toy.draws(), toy.short).net.inner.weight, before)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("seed"),
        lambda r: r.pop("seconds"),
        lambda r: r.update(seconds="long"),
        lambda r: r.update(best={"step": 10}),
        lambda r: r.update(best=[1]),
    ],
)
def test_numbers_missing_from_a_checkpoint_are_told(toy, tmp_path, change):
    train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path)
    file = tmp_path / "checkpoint" / "step-00000040.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match=r"step-00000040\.json is damaged.*; delete it to resume from an earlier"):
        train(toy.line(), toy.regression, toy.draws(), toy.short, folder=tmp_path, resume=True)
