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
