"""The likelihood of waiting times, held against processes whose likelihood is known."""

import pytest
import torch

from pushforward.core import Events, Incompatible, InvalidInput, Pairs
from pushforward.data import Arrays
from pushforward.fields import LogTime, NormalMixtures, SigmoidalFlows
from pushforward.nets import EventGRU
from pushforward.objectives import IntensityFree
from pushforward.oracles import HawkesProcess, LogNormalRenewal
from pushforward.training import Feed, Training, train


def pairs(events):
    return Pairs((events._asdict(), events._asdict()))


def draws(process, n, end, seed):
    return process.sample(n, end, generator=torch.Generator().manual_seed(seed))


def test_one_component_that_knows_the_truth_has_its_likelihood():
    """A network that says 0 means one standard normal: with the clock of the log-normal renewal that is the truth."""
    truth = LogNormalRenewal(1.0, 2.0)
    events = draws(truth, 20, 30.0, 0)
    objective = IntensityFree(NormalMixtures(1), LogTime(*truth.logs))
    net = EventGRU(objective.outputs, width=4)
    torch.nn.init.zeros_(net.last.weight)
    torch.nn.init.zeros_(net.last.bias)
    torch.testing.assert_close(objective.process(net).log_prob(events), truth.log_prob(events), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(objective.process(net).compensators(events), truth.compensators(events))
    exact = -truth.log_prob(events).sum() / events.number.sum()
    torch.testing.assert_close(objective(net, pairs(events)).value, exact, rtol=1e-4, atol=1e-5)


def marked(events, marks):
    state = events._asdict() | {"marks": marks}
    return Pairs((state, state))


def test_independent_marks_add_their_own_likelihood():
    """A network that says 0 means standard normal marks, whatever happened: the truth for marks that are so drawn."""
    truth = LogNormalRenewal(1.0, 2.0)
    events = draws(truth, 20, 30.0, 0)
    marks = torch.randn(events.gaps.shape, generator=torch.Generator().manual_seed(1))
    objective = IntensityFree(NormalMixtures(1), LogTime(*truth.logs), NormalMixtures(1))
    assert objective.outputs == 6
    net = EventGRU(objective.outputs, inputs=2, width=4)
    torch.nn.init.zeros_(net.last.weight)
    torch.nn.init.zeros_(net.last.bias)
    process = objective.process(net)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(marks)
    exact = truth.log_prob(events) + torch.where(events.real, normal, 0.0).sum(1)
    torch.testing.assert_close(process.log_prob(events, marks), exact, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(process.compensators(events, marks), truth.compensators(events))
    value = objective(net, marked(events, marks)).value
    torch.testing.assert_close(value, -exact.sum() / events.number.sum(), rtol=1e-4, atol=1e-5)
    drawn, said = process.sample_marked(400, 30.0, generator=torch.Generator().manual_seed(2))
    there = said[drawn.real]
    assert (said[~drawn.real] == 0).all()
    assert abs(float(there.mean())) < 4 / len(there) ** 0.5
    assert abs(float(there.square().mean()) - 1) < 4 * (2 / len(there)) ** 0.5  # a square has variance 2
    # an event a unit of time on average, less what the first one waits for: the times are those without marks
    plain = LogNormalRenewal(1.0, 2.0).sample(400, 30.0, generator=torch.Generator().manual_seed(3))
    spread = (drawn.number.double().var() + plain.number.double().var()).div(400).sqrt()
    assert abs(float(drawn.number.double().mean() - plain.number.double().mean())) < 4 * float(spread)


def test_marks_are_remembered_and_not_known_before():
    """The law of an event does not see its own mark; the next one does. Marks in padding are not seen at all."""
    torch.manual_seed(0)
    objective = IntensityFree(NormalMixtures(2), marks=NormalMixtures(2))
    net = EventGRU(objective.outputs, inputs=2, width=4)
    events = Events.at([[0.5, 0.7, 0.8], [0.3]], end=1.0)
    marks = torch.tensor([[0.1, 0.2, 0.3], [0.4, 9.0, 9.0]])
    process = objective.process(net)
    base = process.compensators(events, marks)
    for k in range(3):
        other = marks.clone()
        other[0, k] += 1.0
        moved = (process.compensators(events, other) - base)[0].abs() > 1e-7
        assert moved.tolist() == [j > k for j in range(3)]
    other = marks.clone()
    other[1, 1:] = float("nan")
    assert torch.equal(process.log_prob(events, other), process.log_prob(events, marks))
    objective(net, marked(events, other)).value.backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


def test_marks_where_there_are_none_are_refused():
    events = Events.at([[0.5]], end=1.0)
    plain, with_marks = IntensityFree(NormalMixtures(2)), IntensityFree(NormalMixtures(2), marks=NormalMixtures(2))
    one, two = EventGRU(6), EventGRU(12, inputs=2)
    for make, match in (
        (lambda: plain(one, marked(events, torch.zeros(1, 1))), "a mapping with gaps, number, rest"),
        (lambda: with_marks(two, pairs(events)), "a mapping with gaps, marks, number, rest"),
        (lambda: plain.process(one).log_prob(events, torch.zeros(1, 1)), "knows no marks"),
        (lambda: with_marks.process(two).log_prob(events), "has marks, got None"),
        (lambda: plain.process(one).sample_marked(2, 1.0), "knows no marks; use sample"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
    with pytest.raises(Incompatible, match=r"IntensityFree.marks is the class"):
        IntensityFree(marks=NormalMixtures)


@pytest.mark.parametrize("decoder", [NormalMixtures(3), SigmoidalFlows(3, 2)], ids=["normals", "flow"])
def test_a_gradient_reaches_every_parameter_also_from_rows_without_events(decoder):
    objective = IntensityFree(decoder)
    net = EventGRU(objective.outputs, width=4)
    objective(net, pairs(Events.at([[0.5, 0.7], []], end=1.0))).value.backward()
    for name, p in net.named_parameters():
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name


def test_what_is_no_decoder_and_what_are_no_events_is_refused():
    with pytest.raises(Incompatible, match="decoder is the class NormalMixtures"):
        IntensityFree(NormalMixtures)
    with pytest.raises(InvalidInput, match="the data are no events"):
        IntensityFree()(EventGRU(48), Pairs((torch.zeros(2, 3), torch.zeros(2, 3))))


@pytest.mark.story
@pytest.mark.parametrize(
    ("truth", "decoder", "tolerance"),
    [
        (LogNormalRenewal(1.0, 2.0), NormalMixtures(8), 0.02),
        (LogNormalRenewal(1.0, 2.0), SigmoidalFlows(8, 2), 0.02),
        (HawkesProcess(0.2, (0.6,), (2.0,)), NormalMixtures(8), 0.03),
    ],
    ids=["renewal", "renewal, flow", "hawkes"],
)
def test_a_trained_process_comes_near_the_truth(truth, decoder, tolerance):
    """Nats an event above the truth on held-out rows, with about 20,000 events to learn from."""
    learned, held = (
        draws(truth, 400, 50.0 if isinstance(truth, LogNormalRenewal) else 100.0, 0),
        draws(truth, 200, 50.0 if isinstance(truth, LogNormalRenewal) else 100.0, 1),
    )
    objective = IntensityFree(decoder, LogTime.fit(learned))
    torch.manual_seed(0)
    net = EventGRU(objective.outputs, width=16)
    settings = Training(250, 32, 1e-2, 0.0, warmup=10, ema=None, device="cpu", workers=0, threads=1)
    net = train(net, objective, Feed(Arrays(learned._asdict())), settings, seed=0).net
    with torch.no_grad():
        excess = (truth.log_prob(held) - objective.process(net).log_prob(held)).sum() / held.number.sum()
    assert float(excess) < tolerance
