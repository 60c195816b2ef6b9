"""Point processes: densities against slow sums, simulators against rescaled time, entropies against known figures."""

import math

import pytest
import torch
from scipy import stats

from pushforward.core import Events, InvalidInput
from pushforward.oracles import HawkesProcess, LogNormalRenewal, PoissonProcess

F64 = torch.float64
PROCESSES = {
    "poisson": PoissonProcess(1.3),
    "renewal": LogNormalRenewal(1.0, 2.0),
    "hawkes": HawkesProcess(0.4, (0.6,), (2.0,)),
    "two kernels": HawkesProcess(0.2, (0.4, 0.4), (1.0, 20.0)),
}
every = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(F64)
    yield
    torch.set_default_dtype(torch.float32)


def draws(process, n=200, end=40.0, seed=0):
    return process.sample(n, end, generator=torch.Generator().manual_seed(seed))


@every
def test_compensators_of_its_own_draws_are_exponential(process):
    """The time-rescaling theorem. Gaps that are cut off by the end come short, so the first ten events of each row are
    taken, from rows that have more than twice as many: what is cut there does not choose among them."""
    events = draws(process, 400, 60.0)
    rows = events.number > 10
    assert rows.double().mean() > 0.8
    values = process.compensators(events)[rows, :5].flatten()
    assert stats.kstest(values.numpy(), "expon").pvalue > 1e-3
    assert (process.compensators(events)[~events.real] == 0).all()


@every
def test_draws_lie_in_the_watch_and_repeat(process):
    events = draws(process)
    assert (events.gaps[events.real] > 0).all()
    torch.testing.assert_close(events.end, torch.full((200,), 40.0))
    assert torch.equal(draws(process).gaps, events.gaps)


@every
def test_the_number_of_events_is_what_the_compensator_says(process):
    """E[N] = E[Lambda(end)]: what remains after the last event is the integral that log_prob has beside the events."""
    events = draws(process, 400)
    quiet = Events(torch.cat([events.gaps, torch.ones(400, 1)], 1), events.number + 1, torch.zeros(400))
    quiet.gaps[torch.arange(400), events.number] = events.rest.clamp_min(1e-12)
    total = process.compensators(quiet).sum(1)
    difference = events.number - total  # a martingale
    assert abs(float(difference.mean())) < 5 * float(difference.std()) / 20


@every
def test_the_density_does_not_see_padding(process):
    events = draws(process, 20)
    longer = Events(torch.nn.functional.pad(events.gaps, (0, 3), value=7.0), events.number, events.rest)
    torch.testing.assert_close(process.log_prob(longer), process.log_prob(events))


def test_a_hawkes_density_is_the_double_sum():
    process, events = PROCESSES["two kernels"], draws(PROCESSES["two kernels"], 5)
    for row, told in enumerate(process.log_prob(events)):
        times = events.times[row, : events.number[row]].tolist()
        value = -process.rate * 40.0
        for i, t in enumerate(times):
            rate = process.rate
            for a, b in zip(process.branching, process.decay, strict=True):
                rate += sum(a * b * math.exp(-b * (t - s)) for s in times[:i])
                value -= a * (1 - math.exp(-b * (40.0 - t)))
            value += math.log(rate)
        assert float(told) == pytest.approx(value, rel=1e-9)


def test_a_renewal_density_is_a_product_with_a_tail():
    process, events = LogNormalRenewal(2.0, 1.0), Events.at([[0.5, 2.0]], end=3.0)
    mu, sigma = process.logs
    law = stats.lognorm(sigma, scale=math.exp(mu))
    assert (law.mean(), law.std()) == pytest.approx((2.0, 1.0))
    expected = law.logpdf(0.5) + law.logpdf(1.5) + law.logsf(1.0)
    assert float(process.log_prob(events)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("process", "nats", "events"),
    [(PoissonProcess(1.0), 1.0, 1.0), (LogNormalRenewal(1.0, 6.0), 0.25546, 1.0)],
)
def test_nats_an_event_over_a_long_watch(process, nats, events):
    """-log p over the number of events tends to the entropy of a waiting time; 5 standard errors of the row means."""
    drawn = draws(process, 60, 3000.0)
    rows = -process.log_prob(drawn)
    ratio = float(rows.sum() / drawn.number.sum())
    error = float((rows - nats * drawn.number).std()) * 60**0.5 / float(drawn.number.sum())
    assert abs(ratio - nats) < 5 * error + 2e-3  # and what one gap in 3,000 at the ends of the watch can do


def test_hawkes_entropies_of_the_literature():
    """0.441 and -0.034 nats an event, from one simulation of 2e5 events each, whose own error is below 0.015."""
    for process, nats in (
        (HawkesProcess(0.2, (0.8,), (1.0,)), 0.441),
        (HawkesProcess(0.2, (0.4, 0.4), (1.0, 20.0)), -0.034),
    ):
        events = draws(process, 50, 1500.0)
        rows = -process.log_prob(events)
        error = float((rows - nats * events.number).std()) * 50**0.5 / float(events.number.sum())
        assert abs(float(rows.sum() / events.number.sum()) - nats) < 4 * (error + 0.015)


def test_the_most_likely_parameters_are_near_those_drawn_from():
    """20,000 events; no gradient is left there, and the truth is not more likely."""
    truth = HawkesProcess(0.5, (0.6,), (2.0,))
    events = draws(truth, 80, 200.0)
    fitted = HawkesProcess.fit(events)
    assert fitted.log_prob(events).sum() >= truth.log_prob(events).sum()
    # standard errors of about 1/sqrt(events) times the size of what is estimated, some times 4
    assert fitted.rate == pytest.approx(0.5, rel=0.1)
    assert fitted.branching[0] == pytest.approx(0.6, rel=0.1)
    assert fitted.decay[0] == pytest.approx(2.0, rel=0.15)
    poisson = PoissonProcess.fit(events)
    assert poisson.rate == pytest.approx(float(events.number.sum() / events.end.sum()))
    assert fitted.log_prob(events).sum() > poisson.log_prob(events).sum()


def test_processes_without_meaning_are_refused():
    for make, match in (
        (lambda: PoissonProcess(0.0), "rate is 0"),
        (lambda: LogNormalRenewal(1.0, 0.0), "deviation=0"),
        (lambda: HawkesProcess(1.0, (0.5, 0.5), (1.0, 2.0)), "sum is below 1"),
        (lambda: HawkesProcess(1.0, (0.5,), (1.0, 2.0)), "as many of both"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
