"""Gumbel-softmax and Fisher paths: velocities against autodiff, chances, scores, and their geometry."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, jvp
from pushforward.fields import Categorical, ConcreteScore, Logits, NetField, Velocity
from pushforward.objectives import FlowMatching
from pushforward.oracles import TokenLaw
from pushforward.paths import Affine, Fisher, GumbelSoftmax
from pushforward.solvers import LogitLangevin, solve

F64 = torch.float64
P = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=F64)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs_of(path, n=64, K=4):
    x0 = path.space.noise(torch.empty(n, 1, K, dtype=F64), generator=gen())
    return Pairs((x0, torch.randint(K, (n, 1), generator=gen(1))))


@pytest.mark.parametrize("path", [GumbelSoftmax(), GumbelSoftmax(published=True), Fisher(), Fisher(0.1)], ids=repr)
def test_velocity_is_the_time_derivative_of_sample(path):
    pairs, t = pairs_of(path), torch.linspace(0.05, 0.95, 64, dtype=F64)
    _, slope = jvp(lambda t: path.sample(pairs, t).x, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(path.velocity(path.sample(pairs, t)), slope, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("K", [2, 4, 20])
def test_the_symbol_is_largest_as_often_as_the_gumbel_law_says(K):
    n, beta = 20_000, 2.0
    for path, t in ((GumbelSoftmax(), 0.0), (GumbelSoftmax(), 0.3), (GumbelSoftmax(published=True), 0.0)):
        A = math.exp(beta) if path.published else math.exp(beta * math.expm1(3 * t))
        pairs = pairs_of(path, n, K)
        hit = path.sample(pairs, torch.full((n,), t, dtype=F64)).x.argmax(-1) == pairs.x1
        chance = A / (A + K - 1)
        assert abs(hit.double().mean() - chance) < 4.5 * (chance * (1 - chance) / n) ** 0.5


def test_the_velocity_of_the_paper_is_not_that_of_its_path():
    """The finding: of the published pair the velocity does not even sum to the path's; of the other it is it."""
    for published in (False, True):
        path = GumbelSoftmax(published=published)
        pairs, t = pairs_of(path), torch.full((64,), 0.4, dtype=F64)
        point = path.sample(pairs, t)
        known = Categorical(Categorical.at(pairs.x1, 4).logits.double())
        gap = (path.drift(known, point.x, t) - path.velocity(point)).abs().max()
        assert gap > 0.1 if published else gap < 1e-12


def test_the_score_is_the_gradient_of_the_log_density_in_logits_and_means_a_posterior():
    path, t = GumbelSoftmax(2.0, 3.0, 0.7), torch.tensor([0.3], dtype=F64)
    x = torch.tensor([[0.2, 0.5, 0.2, 0.1]], dtype=F64)
    tau, gain = 1.4, 0.7 * math.expm1(0.9)

    def log_density(y):
        """Of a mixture of Gumbel-softmax laws, in logits: - tau sum y - K logsumexp(log a - tau y)."""
        each = [-tau * y.sum(-1) - 4 * (gain * torch.eye(4, dtype=F64)[k] - tau * y).logsumexp(-1) for k in range(4)]
        return (torch.stack(each, -1) + gain + P.log()).logsumexp(-1)

    y = x.log().requires_grad_()
    (slope,) = torch.autograd.grad(log_density(y).sum(), y)
    probs = (P.log() + path.log_likelihood(x, t)).softmax(-1)
    score = path.score(probs, x, t)
    torch.testing.assert_close(score, slope)
    assert score.sum().abs() < 1e-12
    torch.testing.assert_close(path.posterior(path.marginal_shares(probs, x, t), x, t), probs)


def test_the_score_has_mean_zero_and_unit_information():
    """Integration by parts over logits: E s = 0 and E <s, y> = -(K - 1); 4.5 standard errors."""
    path, n, t = GumbelSoftmax(), 20_000, 0.2
    pairs, t = pairs_of(path, n), torch.full((n,), t, dtype=F64)
    x = path.sample(pairs, t).x
    k = torch.nn.functional.one_hot(pairs.x1, 4).double()
    s = path.score(k, x, t)[:, 0]
    assert (s.mean(0).abs() < 4.5 * s.std(0) / n**0.5).all()
    information = (s * x[:, 0].log()).sum(-1)
    assert abs(information.mean() + 3) < 4.5 * information.std() / n**0.5


def test_targets_of_the_score_are_the_shares_and_their_mean_the_marginal():
    """E[(target - q(x_t)) g(x_t)] = 0; 4.5 standard errors."""
    path, n = GumbelSoftmax(), 20_000
    x1 = TokenLaw(P).sample(n, generator=gen(3))
    pairs, t = pairs_of(path, n)._replace(), torch.full((n,), 0.2, dtype=F64)
    point = path.sample(pairs._replace(anchors=(pairs.x0, x1)), t)
    probs = TokenLaw(P).on_simplex(path)(point.x, t).exp()
    gap = ConcreteScore().target(path, point) - path.marginal_shares(probs, point.x, t)
    for g in (torch.ones_like(point.x), point.x):
        each = (gap * g)[:, 0]
        assert (each.mean(0).abs() < 4.5 * each.std(0) / n**0.5).all()


def test_a_network_of_exact_shares_has_the_exact_velocity_and_score():
    path, law = GumbelSoftmax(), TokenLaw(P)
    exact = law.on_simplex(path)

    class Said(torch.nn.Module):
        def forward(self, x, t, cond=None):
            return path.marginal_shares(exact(x, t).exp(), x, t).log()

    net = Said()
    x, t = path.space.noise(torch.empty(64, 1, 4, dtype=F64), generator=gen()), torch.full((64,), 0.3, dtype=F64)
    scored, said = NetField(net, ConcreteScore(), path), NetField(exact, Logits(), path)
    torch.testing.assert_close(scored(x, t), said(x, t), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(scored.score(x, t), path.score(said.law(x, t).mean, x, t))
    again = solve(scored, x, [0.01, 0.4, 0.8], solver=LogitLangevin(path)).x
    torch.testing.assert_close(again, solve(said, x, [0.01, 0.4, 0.8], solver=LogitLangevin(path)).x)


def test_without_noise_a_step_is_that_of_the_logits():
    path, x = GumbelSoftmax(), torch.tensor([[[0.2, 0.8]]], dtype=F64)
    field = NetField(TokenLaw([1.0, 0.0]).on_simplex(path), Logits(), path)
    t = torch.linspace(0, 1, 801)
    end = path.sample(Pairs((x, torch.tensor([[0]]))), torch.ones(1, dtype=F64)).x
    errors = [(solve(field, x, t[::k], solver=LogitLangevin(path)).x - end).abs().max() for k in (1, 2)]
    assert errors[0] < 1e-3
    assert errors[1] / errors[0] == pytest.approx(2, rel=0.05)  # order 1


@pytest.mark.parametrize("churn", [0.0, 0.1])
def test_the_corrector_keeps_the_law_of_the_symbols(churn):
    """Drawn from the last posterior; 4.5 standard errors, and 0.004 for steps of q h tau^2 = 0.05."""
    path, n = GumbelSoftmax(), 2000
    field = NetField(TokenLaw(P).on_simplex(path), Logits(), path)
    x = path.space.noise(torch.empty(n, 1, 4, dtype=F64), generator=gen())
    times = torch.linspace(0, 1, 801 if churn else 101)
    x = solve(field, x, times, solver=LogitLangevin(path, churn), generator=gen(1)).x
    probs = field.law(x, torch.ones(n, dtype=F64)).mean[:, 0]
    assert ((probs.mean(0) - P).abs() < 0.004 + 4.5 * probs.std(0) / n**0.5).all()


def test_two_symbols_of_fisher_are_straight_lines_of_an_angle():
    path, t = Fisher(), torch.linspace(0, 1, 16, dtype=F64)
    start = torch.rand(16, generator=gen(), dtype=F64) * math.pi / 2
    pairs = Pairs((torch.stack([start.cos(), start.sin()], -1), torch.arange(16) % 2))
    x = path.sample(pairs, t).x
    torch.testing.assert_close(torch.atan2(x[:, 1], x[:, 0]), (1 - t) * start + t * pairs.x1 * math.pi / 2)


def test_the_drift_of_fisher_is_the_sum_of_logarithms():
    for K in (2, 5):
        x, t = Fisher().space.noise(torch.empty(16, K, dtype=F64), generator=gen()), torch.full((16,), 0.4, dtype=F64)
        law = Categorical(torch.randn(16, K, generator=gen(1), dtype=F64))
        logs = [Fisher().space.log(x, vertex.expand_as(x)) for vertex in torch.eye(K, dtype=F64)]
        slow = (law.mean[:, None] * torch.stack(logs, -1)).sum(-1)
        torch.testing.assert_close(Fisher().drift(law, x, t), slow / 0.6)
        torch.testing.assert_close(Fisher(1e-12).drift(law, x, t), slow / 0.6, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("path", [GumbelSoftmax(), Fisher()], ids=repr)
def test_networks_of_posteriors_and_velocities_train(path):
    pairs = Pairs(tuple(a.float() if a.is_floating_point() else a for a in pairs_of(path).anchors))
    for head in (Logits(), Velocity(), *([ConcreteScore()] if isinstance(path, GumbelSoftmax) else [])):
        net = torch.nn.Linear(4, 4)
        loss = FlowMatching(path, head=head)(lambda x, t, cond, net=net: net(x), pairs, generator=gen()).value
        loss.backward()
        assert net.weight.grad.abs().max() > 0
        assert net.weight.grad.isfinite().all()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InvalidInput, match="decay is -1"):
        GumbelSoftmax(decay=-1.0)
    with pytest.raises(InvalidInput, match="smoothing is 1"):
        Fisher(1.0)
    with pytest.raises(Incompatible, match="speaks of the score of GumbelSoftmax"):
        ConcreteScore().check(GumbelSoftmax(published=True))
    with pytest.raises(Incompatible, match="steps in the logits"):
        LogitLangevin(Affine())
    with pytest.raises(Incompatible, match="asks dynamics for the law"):
        solve(lambda x, t, cond: x, torch.ones(1, 2) / 2, [0, 1], solver=LogitLangevin(GumbelSoftmax()))
