"""Laws of a waiting time, and the process that a network says by them."""

import math

import pytest
import torch
from scipy import stats

from pushforward.core import Events, InvalidInput
from pushforward.fields import LogTime, NetProcess, NormalMixture, NormalMixtures, SigmoidalFlow, SigmoidalFlows
from pushforward.nets import EventGRU

F64 = torch.float64
close = torch.testing.assert_close
DECODERS = {"normals": NormalMixtures(5), "one flow": SigmoidalFlows(4, 1), "deep flow": SigmoidalFlows(3, 3)}
every = pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)


def law_of(decoder, rows=3, seed=0):
    out = torch.randn(rows, decoder.outputs, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return decoder.law(0.5 * out)


def spread(law, n):
    """The first row's law, for `n` numbers."""
    return type(law)(*(part[:1].expand(n, *part.shape[1:]) for part in law))


@every
def test_the_density_is_that_of_the_tail_and_integrates_to_one(decoder):
    """By the trapezoid on [-40, 40], outside of which the heaviest tail here, exp(-|z| / s), has less than 1e-9."""
    z = torch.linspace(-40, 40, 40001, dtype=F64, requires_grad=True)
    law = spread(law_of(decoder), len(z))
    p = law.log_prob(z).exp()
    assert abs(float(torch.trapezoid(p, z).detach()) - 1) < 1e-6
    (slope,) = torch.autograd.grad(law.log_survival(z).exp().sum(), z)
    close(-slope, p, rtol=1e-7, atol=1e-12)


@every
def test_draws_have_the_tail(decoder):
    law = spread(law_of(decoder), 4000)
    u = law.log_survival(law.sample(generator=torch.Generator().manual_seed(1))).exp()
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-3


@every
def test_tails_stay_finite_where_a_float_sees_nothing(decoder):
    z = torch.tensor([-1e3, 1e3], dtype=F64, requires_grad=True)
    law = spread(law_of(decoder), 2)
    total = law.log_prob(z).sum() + law.log_survival(z).sum()
    assert total.isfinite()
    assert torch.autograd.grad(total, z)[0].isfinite().all()


@every
def test_a_row_of_outputs_may_be_far_off(decoder):
    """Scales are held; the gradient of a held scale passes."""
    out = torch.full((1, decoder.outputs), 30.0, dtype=F64, requires_grad=True)
    decoder.law(out).log_prob(torch.zeros(1, dtype=F64)).sum().backward()
    assert out.grad.isfinite().all()
    assert (out.grad.chunk(3, -1)[2] != 0).any()


def test_one_component_is_the_log_normal():
    """Density, tail and mean of g = exp(a z + b) against scipy."""
    clock = LogTime(0.3, 1.7)
    law = NormalMixture(*(torch.tensor([v], dtype=F64) for v in (0.0, 0.4, math.log(0.8))))
    g = torch.tensor([0.1, 1.0, 9.0], dtype=F64)
    z = clock.forward(g)
    exact = stats.lognorm(1.7 * 0.8, scale=math.exp(0.3 + 1.7 * 0.4))
    close(law.log_prob(z) + clock.log_slope(z), torch.tensor(exact.logpdf(g)))
    close(law.log_survival(z), torch.tensor(exact.logsf(g)))
    assert math.exp(0.3 + float(law.log_moment(1.7))) == pytest.approx(exact.mean())
    close(clock.inverse(z), g)


def test_one_layer_is_a_mixture_of_logistic_laws():
    weights, centres, scales = torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 1.5])
    law = SigmoidalFlow(weights.log()[None], centres.double()[None], scales.double().log()[None])
    z = torch.linspace(-4, 6, 7, dtype=F64)
    parts = [stats.logistic(float(c), float(s)) for c, s in zip(centres, scales, strict=True)]
    close(law.log_prob(z).exp(), torch.tensor(0.3 * parts[0].pdf(z) + 0.7 * parts[1].pdf(z)))
    close(law.log_survival(z).exp(), torch.tensor(0.3 * parts[0].sf(z) + 0.7 * parts[1].sf(z)))
    close(law.quantile(1 - law.log_survival(z).exp()), z)
    assert float(law.mean) == pytest.approx(0.3 * -1 + 0.7 * 2, abs=0.02)  # the outermost of 1,000 quantiles


def process_of(decoder, seed=0):
    torch.manual_seed(seed)
    net = EventGRU(decoder.outputs, width=6).double()
    for p in net.parameters():
        p.data *= 3.0
    return NetProcess(net, decoder, LogTime(-0.2, 1.1))


EVENTS = Events(
    torch.tensor([[0.5, 1.5, 0.2], [1.0, 9.0, 9.0]], dtype=F64), torch.tensor([3, 1]), torch.tensor([0.8, 2.0]).double()
)


@every
def test_none_one_and_more_events_have_total_one(decoder):
    """P(0) + P(1) + P(2 or more) = 1: the density of rows, silence counted, against that of two waiting times alone. By
    the trapezoid in log t and the share g / (end - t) of what is left, both from e^-30 on; error below step^2."""
    process, end, n = process_of(decoder), 1.0, 800
    y = torch.linspace(-30, 0, n, dtype=F64)
    t, one = y.exp(), torch.ones(n, dtype=torch.int64)
    left = (end - t).clamp_min(0)
    share = y[::4].exp()
    gaps = torch.stack(torch.broadcast_tensors(t[:, None], left[:, None] * share), -1).flatten(0, 1)
    with torch.no_grad():
        none = process.log_prob(Events(t[:1, None], 0 * one[:1], torch.ones(1, dtype=F64))).exp()
        single = torch.trapezoid(process.log_prob(Events(t[:, None], one, left)).exp() * t, y)
        both = process.log_prob(Events(gaps, torch.full((len(gaps),), 2), torch.zeros(len(gaps), dtype=F64)))
        both = both.exp().reshape(n, -1) * gaps[:, 1].reshape(n, -1) * t[:, None]
    both = torch.where(left[:, None] > 0, both, 0.0)
    more = torch.trapezoid(torch.trapezoid(both, y[::4]), y)
    assert min(none, single, more) > 0.01
    assert abs(float(none + single + more) - 1) < 3 * 0.15**2 / 4


@every
def test_rows_padding_and_the_future_do_not_matter(decoder):
    process = process_of(decoder)
    with torch.no_grad():
        told = process.log_prob(EVENTS)
        longer = Events(torch.nn.functional.pad(EVENTS.gaps, (0, 2), value=0.3), EVENTS.number, EVENTS.rest)
        close(process.log_prob(longer), told)
        row = Events(*(part[1:] for part in EVENTS))
        close(process.log_prob(row), told[1:])
        out = process.net(torch.tensor([[0.1, 0.2, 0.3]], dtype=F64))
        other = process.net(torch.tensor([[0.1, 0.2, 5.0]], dtype=F64))
    close(out[:, :3], other[:, :3])
    assert not torch.equal(out[:, 3], other[:, 3])


@every
def test_draws_are_those_of_the_density(decoder):
    """Compensators of its own draws are exponential; the watch has no end, so no gap is cut off."""
    process = process_of(decoder)
    events = process.sample(500, math.inf, generator=torch.Generator().manual_seed(0), limit=6)
    with torch.no_grad():
        values = process.compensators(events).flatten()
    assert stats.kstest(values.numpy(), "expon").pvalue > 1e-3


def test_a_row_stops_at_the_limit():
    events = process_of(NormalMixtures(2)).sample(4, 1e9, limit=5)
    assert events.number.tolist() == [5] * 4
    assert (events.rest == 0).all()


def test_the_net_by_steps_is_the_net_at_once():
    net = EventGRU(3, width=5)
    z = torch.randn(2, 4)
    out, memory = net.start(z[:, 0])
    steps = [out]
    for k in range(4):
        out, memory = net.advance(z[:, k], memory)
        steps.append(out)
    close(torch.stack(steps, 1), net(z))


def test_parts_out_of_range_are_refused():
    for make, match in (
        (lambda: NormalMixtures(0), "components is 0"),
        (lambda: SigmoidalFlows(1, 0), "depth=0"),
        (lambda: LogTime(0.0, 0.0), "scale is 0"),
        (lambda: EventGRU(0), "outputs=0"),
        (lambda: LogTime.fit(Events.at([[1.0]], end=2.0)), "got 1 events"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
