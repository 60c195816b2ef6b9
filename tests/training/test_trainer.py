import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pushforward.core import Loss
from pushforward.training import Training, complete_steps, train


@pytest.mark.parametrize("clip", [None, 0.3])
def test_the_loop_is_the_one_that_torch_would_spell_out(toy, clip):
    """Against torch's own clipping, scheduler, unfused AdamW, and an average written out in float64."""
    settings = replace(toy.short, gradient_clip=clip, weight_decay=0.1, final_learning_rate=0.001)
    ours = train(toy.line(), toy.quiet, toy.draws(), settings, seed=3).net

    net = toy.line()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=0.1, foreach=False, fused=False)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, settings.rate)
    average = {name: tensor.double().clone() for name, tensor in net.named_parameters()}
    for k in range(40):
        optimizer.zero_grad()
        toy.quiet(net, toy.draws().pairs(k, 8, seed=3)).value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        schedule.step()
        d = min(0.9, (2 + k) / (11 + k))
        average = {n: d * average[n] + (1 - d) * p.detach().double() for n, p in net.named_parameters()}
    for name, parameter in ours.named_parameters():
        # 40 float32 updates of size 0.02 and weights of about 1: the two orders of rounding part by less than 1e-5
        torch.testing.assert_close(parameter.detach().double(), average[name], rtol=0, atol=1e-5)


def test_without_an_average_the_last_weights_stay(toy, tmp_path):
    net = train(toy.line(), toy.quiet, toy.draws(), replace(toy.short, ema=None), folder=tmp_path).net
    state = toy.stored(tmp_path)
    assert all(torch.equal(state[f"module/net.{name}"], tensor) for name, tensor in net.state_dict().items())
    assert not any(name.startswith("ema/") for name in state)


def test_it_learns(toy):
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.b = nn.Parameter(torch.zeros(2))

        def forward(self, x, t, cond=None):
            return self.b.expand(len(x), 2)

    settings = Training(steps=300, batch_size=64, learning_rate=0.05, ema=0.9, workers=0)
    done = train(Shift(), toy.quiet, toy.draws(shift=2.0), settings)
    # the minimiser is the mean, 2; the average over the last ten batches or so has a standard error of about 0.04
    assert (done.net.b - 2).abs().max() < 0.2
    assert done.step == 300
    assert not done.net.training
    assert done.best is None


def test_an_objective_that_is_a_module_is_trained_too(toy, tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, net, batch, *, generator=None):
            value = (self.scale * net(batch.x0, batch.x0[:, 0]) - batch.x1).square().mean()
            return Loss(value, {})

    objective = Scaled()
    train(toy.line(), objective, toy.draws(), toy.short, folder=tmp_path)
    state = toy.stored(tmp_path)
    assert state["module/objective.scale"] != 1
    assert torch.equal(state["ema/objective.scale"], objective.scale)


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "64-true"},
        {"precision": "bf16-mixed"},
        {"channels_last": True},
        {"device": "cpu"},
        {"workers": 0},
    ],
)
def test_options_agree_with_the_plain_run(toy, change):
    plain = train(toy.line(), toy.regression, toy.draws(), toy.short)
    other = train(toy.line(), toy.regression, toy.draws(), replace(toy.short, **change))
    assert other.net.inner.weight.dtype == (torch.float64 if change.get("precision") == "64-true" else torch.float32)
    exact = "precision" not in change
    # bf16 keeps 8 bits; float64 draws other times of the path, so only the level of the loss is compared
    tolerance = 0.0 if exact else 0.3
    losses = [[record["loss"] for record in run.history] for run in (plain, other)]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance, abs=0)


def test_a_compiled_net_agrees(toy, monkeypatch):
    compile_ = nn.Module.compile
    # tracing is what could go wrong here; generating code for it takes a minute
    monkeypatch.setattr(nn.Module, "compile", lambda net: compile_(net, backend="eager"))
    plain = train(toy.line(), toy.regression, toy.draws(), toy.short).net
    other = train(toy.line(), toy.regression, toy.draws(), replace(toy.short, compile=True)).net
    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    assert plain.state_dict().keys() == other.state_dict().keys()


def test_the_loop_does_not_wait_for_the_device(toy):
    class Waits(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default)
            return func(*args, **(kwargs or {}))

    def waits(steps):
        with Waits() as mode:
            train(
                toy.line(),
                toy.regression,
                toy.draws(),
                replace(toy.short, steps=steps, log_every=50, checkpoint_every=50),
            )
        return mode.count

    assert waits(50) == waits(5)


def test_global_randomness_is_left_alone(toy):
    net = toy.line(dropout=0.5)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(net, toy.regression, toy.draws(), toy.short)
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_is_seeded_by_the_run(toy):
    torch.manual_seed(1)
    first = toy.bits(train(toy.line(dropout=0.5), toy.regression, toy.draws(), toy.short, seed=1).net)
    torch.manual_seed(2)
    assert toy.same(first, toy.bits(train(toy.line(dropout=0.5), toy.regression, toy.draws(), toy.short, seed=1).net))
    assert not toy.same(
        first, toy.bits(train(toy.line(dropout=0.5), toy.regression, toy.draws(), toy.short, seed=2).net)
    )


def test_lines_and_files(toy, tmp_path):
    done = train(toy.line(), toy.regression, toy.draws(), replace(toy.short, steps=35), folder=tmp_path)
    lines = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == done.history
    assert [r["step"] for r in lines] == [10, 20, 30, 35]
    assert lines[0].keys() == {
        "step", "loss", "terms", "gradient_norm", "learning_rate", "steps_per_second", "seconds"
    }  # fmt: skip
    assert [r["learning_rate"] for r in lines] == [replace(toy.short, steps=35).rate(r["step"] - 1) for r in lines]
    assert lines[0]["terms"] == {"fit": pytest.approx(lines[0]["loss"])}
    assert complete_steps(tmp_path / "checkpoint") == [30, 35]
    assert len(list((tmp_path / "events").iterdir())) == 1


def test_nothing_is_written_without_a_folder(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [r["step"] for r in train(toy.line(), toy.regression, toy.draws(), toy.short).history] == [10, 20, 30, 40]
    assert not list(tmp_path.iterdir())


def test_samples_are_of_the_average_and_change_nothing(toy):
    seen = []

    def look(net, step):
        assert not net.training
        torch.randn(3)  # draws of the caller's own
        seen.append((step, toy.bits(net)))

    settings = replace(toy.short, sample_every=20)
    watched = train(toy.line(dropout=0.3), toy.regression, toy.draws(), settings, on_sample=look).net
    assert [step for step, _ in seen] == [20, 40]
    alone = train(toy.line(dropout=0.3), toy.regression, toy.draws(), toy.short).net
    assert toy.same(toy.bits(watched), toy.bits(alone))
    assert toy.same(seen[-1][1], toy.bits(alone))


def test_the_bar_goes_to_stderr(toy, capsys):
    train(toy.line(), toy.regression, toy.draws(), toy.short, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "40/40" in err
    assert "steps/s" in err
