from dataclasses import replace

import pytest
import torch
from torch import nn

from pushforward.training import Training, train


class Point(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(2))

    def forward(self, x, t, cond=None):
        return self.b.expand(len(x), 2)


# the weight walks from 0 towards 10 and passes the held-out mean, 3, on its way
past = Training(
    steps=1000,
    batch_size=64,
    learning_rate=0.1,
    final_learning_rate=None,
    ema=0.5,
    validate_every=5,
    stop_after=4,
    workers=0,
)


def test_it_stops_after_the_best_and_goes_back_to_it(toy, tmp_path):
    done = train(Point(), toy.quiet, toy.draws(shift=10.0), past, validation=toy.draws(shift=3.0), folder=tmp_path)
    assert done.step == done.best["step"] + 20
    assert (done.net.b - 3).abs().max() < 0.5  # AdamW moves 0.1 a step: five steps lie between two validations
    losses = {r["step"]: r["validation_loss"] for r in done.history if "validation_loss" in r}
    assert min(losses, key=losses.get) == done.best["step"]
    assert losses[done.best["step"]] == done.best["loss"]
    assert done.history[-1]["step"] == done.step
    again = train(
        Point(), toy.quiet, toy.draws(shift=10.0), past, validation=toy.draws(shift=3.0), folder=tmp_path, resume=True
    )
    assert (again.step, again.best) == (done.step, done.best)
    assert torch.equal(again.net.b, done.net.b)


def test_the_weights_it_leaves_are_those_that_were_best(toy):
    pairs = toy.draws(shift=3.0).pairs(0, 64, seed=0)

    class Fixed:
        def pairs(self, step, size, *, seed):
            return pairs

    done = train(Point(), toy.quiet, toy.draws(shift=10.0), past, validation=Fixed())
    # the mean of equal losses is one of them, up to a rounding
    assert toy.quiet(done.net, pairs).value.item() == pytest.approx(done.best["loss"], rel=1e-6)


def test_patience_survives_a_death(toy, tmp_path):
    held = toy.draws(shift=3.0)
    straight = train(Point(), toy.quiet, toy.draws(shift=10.0), past, validation=held, folder=tmp_path / "a")
    for steps in (32, 41, 1000):
        until = replace(past, steps=steps)
        last = train(
            Point(), toy.quiet, toy.draws(shift=10.0), until, validation=held, folder=tmp_path / "b", resume=True
        )
    assert (last.step, last.best) == (straight.step, straight.best)
    assert toy.same(toy.stored(tmp_path / "a"), toy.stored(tmp_path / "b"))


def test_validation_has_fixed_draws_of_its_own(toy):
    class Recorded(type(toy.draws())):
        def pairs(self, step, size, *, seed):
            asked.append((step, size, seed))
            return super().pairs(step, size, seed=seed)

    asked = []
    settings = replace(toy.short, steps=20, validate_every=10, validation_batches=3, ema=None, learning_rate=1e-30)
    done = train(toy.line(), toy.regression, toy.draws(), settings, validation=Recorded())
    assert len(asked) == 6
    assert asked[:3] == asked[3:]
    assert [step for step, _, _ in asked[:3]] == [0, 1, 2]
    assert asked[0][2] != 0  # another seed than the run's
    first, second = (r["validation_loss"] for r in done.history if "validation_loss" in r)
    assert first == second  # the weights stand still, and so does the loss
    assert done.best == {"loss": first, "step": 10, "waited": 1}


def test_without_stop_after_validations_only_watch(toy):
    settings = replace(toy.short, validate_every=10)
    watched = train(toy.line(dropout=0.3), toy.regression, toy.draws(), settings, validation=toy.draws())
    assert toy.same(
        toy.bits(watched.net), toy.bits(train(toy.line(dropout=0.3), toy.regression, toy.draws(), toy.short).net)
    )
