"""Second-order flow matching at the exact field, where its residual has mean zero, and away from it."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Exact, Incompatible, InvalidInput, Pairs
from pushforward.couplings import VariationalNoise
from pushforward.fields import Endpoint, Noise, Score, Velocity
from pushforward.fields.dirac import Dirac
from pushforward.objectives import FlowMatching, Importance, Joint, SecondOrder, Uniform
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, Brownian, CondOT, Cosine, VariancePreserving
from pushforward.spaces import Euclidean, StudentT


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def exact_answer(head, path):
    exact = reference_mixture().along(path)
    return {Velocity(): exact, Endpoint(): exact.endpoint, Noise(): exact.noise, Score(): exact.score}[head]


def vanishes(rows):
    """Within 4 standard errors of zero."""
    return abs(rows.mean()) < 4 * rows.std() / math.sqrt(len(rows))


def test_golden_value_of_the_identity():
    """(d + (1 - t) div v) / t is tr Cov(dx | x_t) = 2.622149 at x = (0.5, -0.2), t = 0.4; both sides by the term."""
    n, path = 40_000, Affine()
    exact = reference_mixture().along(path)
    x = torch.tensor([[0.5, -0.2]], dtype=torch.float64).repeat(n, 1)
    t = torch.full((n,), 0.4, dtype=torch.float64)
    x1 = exact.sample_posterior(x, t, generator=seeded(0))
    point = path.sample(Pairs(((x - 0.4 * x1) / 0.6, x1)), t)
    torch.testing.assert_close(point.x, x)
    answer = lambda x, t: Dirac(exact(x, t))
    term, objective = SecondOrder(), FlowMatching(path)
    no_error = Dirac(path.velocity(point))
    div = term.residuals(answer, point, no_error, objective, generator=seeded(1)).mean(0) * 2 / 0.4
    assert abs(div.mean() - 2.622149) < 4 * div.std() / math.sqrt(n) + 1e-6
    first = div - term.residuals(answer, point, answer(x, t), objective, generator=seeded(1)).mean(0) * 2 / 0.4
    assert abs(first.mean() - 2.622149) < 4 * first.std() / math.sqrt(n) + 1e-6


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
@pytest.mark.parametrize("schedule", [CondOT(), Cosine(), VariancePreserving()], ids=repr)
def test_the_exact_field_is_the_minimiser(head, schedule):
    """The residual has mean zero given x and t, against every bump: no change of div D lowers its expected square."""
    n, path = 40_000, Affine(schedule)
    pairs = reference_mixture().sample_pairs(n, generator=seeded(2))
    t = Uniform(0.3, 0.95).quantile(torch.rand(n, dtype=torch.float64, generator=seeded(3)))
    point = path.sample(pairs, t)
    value = exact_answer(head, path)
    answer = lambda x, t: Dirac(value(x, t))
    rows = SecondOrder().residuals(answer, point, answer(point.x, t), FlowMatching(path, head), generator=seeded(4))
    rows = rows.mean(0)
    for bump in (torch.ones_like(t), point.x[:, 0], (2 * point.x[:, 1]).sin() * t, point.x.square().sum(1)):
        assert vanishes(rows * bump)


def test_a_wrong_divergence_is_seen_where_the_first_order_loss_is_the_same():
    """v + h (x2, x1) sin: a field whose divergence is off by a constant times t leaves a mean residual of that size."""
    n, path = 40_000, Affine()
    pairs = reference_mixture().sample_pairs(n, generator=seeded(2))
    t = torch.full((n,), 0.5, dtype=torch.float64)
    point = path.sample(pairs, t)
    exact = reference_mixture().along(path)
    right, wrong = (lambda x, t, h=h: Dirac(exact(x, t) + h * x) for h in (0.0, 0.2))
    ask = lambda answer: SecondOrder(1.0).ask(answer, point, right(point.x, t), FlowMatching(path), generator=seeded(5))
    extra = ask(wrong) - ask(right)
    # div D grows by (1 - t) 0.2 d, so the mean square per coordinate by (0.5 * 0.2)^2: cross terms have mean zero
    assert abs(extra.mean() - 0.01) < 4 * extra.std() / math.sqrt(n)


def test_different_probes_give_an_unbiased_square():
    """One probe squared adds its variance, |off-diagonal|^2 of a Jacobian that is anything but diagonal."""
    n = 40_000
    matrix = torch.tensor([[0.5, 2.0], [2.0, -0.3]], dtype=torch.float64)
    answer = lambda x, t: Dirac(x @ matrix)
    path, head = Affine(), Endpoint()
    pair = Pairs((torch.randn(1, 2, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)))
    pairs = pair.map(lambda x: x.repeat(n, 1))
    point = path.sample(pairs, torch.full((n,), 0.6, dtype=torch.float64))
    law, objective = answer(point.x, point.t), FlowMatching(path, head)
    gap = (law.mean - point.pairs.x1)[0]
    exact = (0.2 - 0.6 * gap.square().sum() / 0.4**2) / 2
    for probes in (2, 5):
        found = SecondOrder(0.1, probes).ask(answer, point, law, objective, generator=seeded(probes))
        assert abs(found.mean() - 0.1 * exact**2) < 4 * found.std() / math.sqrt(n)
    one = SecondOrder().residuals(answer, point, law, objective, generator=seeded(0))[0].square()
    torch.testing.assert_close(one.mean(), exact**2 + (2 * 2.0 / 2) ** 2, rtol=0.05, atol=0)  # (2 * 2 e1 e2)^2 / d^2


def test_the_first_order_error_is_a_constant():
    """A network that ignores x changes its errors with its weights, and no divergence: no gradient reaches them."""
    c = torch.zeros(2, requires_grad=True)
    net = lambda x, t, cond: c + 0 * x
    pairs = Pairs((torch.randn(8, 2), torch.randn(8, 2)))
    objective = FlowMatching(times=Uniform(0.1, 0.9))
    plain = objective(net, pairs, generator=seeded(0)).value
    both = FlowMatching(times=Uniform(0.1, 0.9), terms=(SecondOrder(),))(net, pairs, generator=seeded(0)).value
    assert both > plain
    (gradient,), (alone,) = (torch.autograd.grad(value, c) for value in (both, plain))
    torch.testing.assert_close(gradient, alone)


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
@pytest.mark.parametrize("event", [(2,), (1, 4, 4)])
def test_every_parameter_gets_a_finite_gradient(head, event):
    d = math.prod(event)
    net = nn.Sequential(nn.Flatten(), nn.Linear(d, 8), nn.SiLU(), nn.Linear(8, d), nn.Unflatten(1, event))
    pairs = Pairs((torch.randn(16, *event), torch.randn(16, *event)))
    second = FlowMatching(
        Affine(), head, times=Importance(cleanest=5.0), terms=(SecondOrder(),), weight=lambda t: 0 * t
    )
    loss = second(lambda x, t, c: net(x), pairs)
    loss.value.backward()
    assert set(loss.terms) == {"fit", "second_order"}
    # the last bias alone cannot change a divergence
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert all(p.grad.abs().sum() > 0 for p in (net[1].weight, net[1].bias, net[3].weight))


def test_the_network_is_asked_under_the_condition_that_it_was_trained_with():
    seen = []
    net = lambda x, t, cond: seen.append(cond) or x
    pairs = Pairs((torch.zeros(64, 2), torch.zeros(64, 2)), cond=torch.ones(64, dtype=torch.int64))
    FlowMatching(cond_drop=0.5, terms=(SecondOrder(),))(net, pairs, generator=seeded(0))
    assert len(seen) == 2
    assert torch.equal(seen[0], seen[1])
    assert set(seen[0].tolist()) == {-1, 1}


def test_what_makes_no_sense_is_refused_at_construction():
    with pytest.raises(Incompatible, match="SecondOrder needs the denoiser"):
        FlowMatching(Affine(CondOT(), latent=Brownian()), terms=(SecondOrder(),))
    with pytest.raises(Incompatible, match="SecondOrder holds for standard normal noise"):
        FlowMatching(Affine(space=Euclidean(StudentT(3.0))), terms=(SecondOrder(),))
    second = FlowMatching(terms=(SecondOrder(),))
    with pytest.raises(Incompatible, match="this FlowMatching needs noise that is independent of the data"):
        Joint(VariationalNoise((2,)), second)
    with pytest.raises(InvalidInput, match="probes=1"):
        SecondOrder(probes=1)
    with pytest.raises(InvalidInput, match="strength"):
        SecondOrder(-0.1)
    pairs = Pairs(({"a": torch.zeros(2, 2)}, {"a": torch.zeros(2, 2)}))
    with pytest.raises(InvalidInput, match="mapping with leaves"):
        FlowMatching(terms=(SecondOrder(),))(lambda x, t, cond: x, pairs)


def test_the_trace_is_the_cores():
    """Held against the exact divergence of the denoiser, by forward mode over the basis."""
    path, n = Affine(), 20_000
    exact = reference_mixture().along(path)
    x, t = torch.tensor([[1.0, 0.3]], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    _, div = Exact()(lambda x: exact.endpoint(x, t), x, Exact().probes(x))
    pair = Pairs((torch.zeros(n, 2).double(), x.repeat(n, 1) / 0.7))
    point = path.sample(pair, t.repeat(n))
    law = Dirac(path.velocity(point))
    rows = SecondOrder().residuals(lambda x, t: Dirac(exact(x, t)), point, law, FlowMatching(path), generator=seeded(0))
    rows = rows.mean(0)
    assert abs(rows.mean() - div[0] / 2) < 4 * rows.std() / math.sqrt(n)
