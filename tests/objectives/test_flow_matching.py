"""The regression objective: its minimum, its stationary point, its weights and its gradients."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.fields import Endpoint, Noise, Score, Velocity
from pushforward.objectives import (
    EndpointLoss,
    FlowMatching,
    Likelihood,
    LogitNormal,
    MinSNR,
    NoiseLoss,
    One,
    Stratified,
    Uniform,
    VelocityLoss,
    VLoss,
)
from pushforward.oracles import reference_mixture
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Cosine,
    LinearVP,
    Polynomial,
    VarianceExploding,
    VariancePreserving,
)


class Constant(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, t, cond=None):
        return self.answer(x, t)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def batch_of(n, seed=0):
    return reference_mixture().sample_pairs(n, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("t", "minimum"), [(0.1, 5.2094), (0.5, 2.6545), (0.9, 2.3565)])
def test_minimum_at_fixed_time_is_the_irreducible_loss(t, minimum):
    """Sheet 1: the exact field's loss is the irreducible density (a sum over 2 coordinates there, a mean here)."""
    path = Affine(CondOT())
    exact = reference_mixture().along(path)
    objective = FlowMatching(path, times=Uniform(t, t + 1e-9))
    losses = torch.stack(
        [
            objective(Constant(exact), batch_of(20_000, s), generator=torch.Generator().manual_seed(s)).value
            for s in range(10)
        ]
    )
    assert abs(2 * losses.mean() - minimum) < 4 * 2 * losses.std() / math.sqrt(10) + 5e-5


def test_mean_minimum_over_uniform_times_is_the_sheets():
    path = Affine(CondOT())
    objective = FlowMatching(path, draw=Stratified())
    exact = Constant(reference_mixture().along(path))
    losses = torch.stack([objective(exact, batch_of(20_000, s), generator=seeded(s)).value for s in range(10)])
    assert abs(2 * losses.mean() - 3.505447) < 4 * 2 * losses.std() / math.sqrt(10)


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise()], ids=repr)
@pytest.mark.parametrize("schedule", [CondOT(), Cosine(), VariancePreserving()], ids=repr)
def test_the_exact_answer_is_stationary(head, schedule):
    """Along random directions f, d/dh E loss(exact + h f) = 2 E <error, f>/d vanishes within its Monte-Carlo error."""
    path = Affine(schedule)
    exact = reference_mixture().along(path)
    answer = {Velocity(): exact, Endpoint(): exact.endpoint, Noise(): exact.noise}[head]
    pairs, g = batch_of(50_000), torch.Generator().manual_seed(3)
    t = Uniform(0.02, 0.98).quantile(torch.rand(50_000, generator=g, dtype=torch.float64))
    point = path.sample(pairs, t)
    error = answer(point.x, t) - head.target(path, point)
    for bump in (torch.ones_like(point.x), point.x, (point.x * 2).sin() * t[:, None]):
        rows = (error * bump).sum(1)
        assert abs(rows.mean()) < 4 * rows.std() / math.sqrt(len(rows))


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
@pytest.mark.parametrize("event", [(2,), (1, 4, 4)])
def test_every_parameter_gets_a_finite_gradient(head, event):
    d = math.prod(event)
    net = nn.Sequential(nn.Flatten(), nn.Linear(d, 8), nn.SiLU(), nn.Linear(8, d), nn.Unflatten(1, event))
    pairs = Pairs((torch.randn(16, *event), torch.randn(16, *event)))
    loss = FlowMatching(Affine(CondOT()), head, times=Uniform(0.05, 0.95))(lambda x, t, cond: net(x), pairs)
    loss.value.backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0 for p in net.parameters())


NAMED = [VelocityLoss(), EndpointLoss(), NoiseLoss(), Likelihood(), MinSNR(), VLoss()]
SCHEDULES = [CondOT(), CondOT(0.05), Polynomial(2), Cosine(), LinearVP(), VariancePreserving(), VarianceExploding()]
each_named = pytest.mark.parametrize("weight", NAMED, ids=repr)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def says(head, path, velocity):
    """A network that says in the terms of `head` what `velocity` says."""

    def net(x, t, cond=None):
        v = velocity(x, t)
        ends = path.estimate(v, x, t)
        sigma = path.coeffs(t).sigma[:, None]
        return {Velocity(): v, Endpoint(): ends.x1, Noise(): ends.x0, Score(): -ends.x0 / sigma}[head]

    return net


@each_named
@each_schedule
def test_a_named_loss_is_the_same_for_every_head(schedule, weight):
    """A wrong answer costs the same whoever gives it; on the path's own schedule, which no one repeats."""
    path, pairs = Affine(schedule), batch_of(64)
    wrong = lambda x, t: (3 * x).sin() + t[:, None]
    losses = [
        FlowMatching(path, head, times=Uniform(0.02, 0.98), weight=weight)(
            says(head, path, wrong), pairs, generator=seeded(1)
        ).value
        for head in (Velocity(), Endpoint(), Noise(), Score())
    ]
    for loss in losses[1:]:
        torch.testing.assert_close(loss, losses[0], rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("weight", "head"), [(NoiseLoss(), Noise()), (EndpointLoss(), Endpoint()), (VelocityLoss(), Velocity())]
)
@each_schedule
def test_a_loss_named_after_a_head_is_its_plain_loss(schedule, weight, head):
    path, pairs, net = Affine(schedule), batch_of(64), lambda x, t, cond: x
    loss = lambda **plain: FlowMatching(path, head, **plain)(net, pairs, generator=seeded(2)).value
    assert torch.equal(loss(weight=weight), loss())


def test_the_score_head_under_the_noise_loss_is_the_noise_head():
    """A zero network: |sigma (0 + x0 / sigma)|^2 = |x0|^2, at t = 1 too; the plain loss of the score diverges."""
    pairs, net = batch_of(4096), lambda x, t, cond: 0 * x
    loss = lambda head, **parts: FlowMatching(Affine(), head, **parts)(net, pairs, generator=seeded(0)).value
    torch.testing.assert_close(loss(Score(), weight=NoiseLoss()), loss(Noise()))
    assert loss(Score()) > 100
    late = {"times": Uniform(0.5, 1.0), "draw": lambda size, like, *, generator=None: like.new_ones(size)}
    torch.testing.assert_close(loss(Score(), weight=NoiseLoss(), **late), loss(Noise(), **late))


@each_named
@each_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_velocity_head_sees_every_named_loss_at_both_ends(schedule, weight, dtype):
    """Where alpha, sigma and W vanish together only their ratio counts: alpha / W is t / n for Polynomial(n)."""
    objective = FlowMatching(Affine(schedule), weight=weight)
    assert torch.isfinite(objective._weigh(torch.tensor([0.0, 1.0], dtype=dtype))).all()
    if schedule == Polynomial(2) and weight == NoiseLoss():
        t = torch.tensor([0.0, 1e-3, 0.5, 1.0], dtype=dtype)
        torch.testing.assert_close(objective._weigh(t), (t / 2) ** 2, rtol=1e-5, atol=1e-8)


def test_published_weights_on_the_velocity_loss():
    t = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    on = lambda weight, path=None: FlowMatching(path or Affine(), weight=weight)._weigh(t)
    torch.testing.assert_close(on(VelocityLoss()), torch.ones_like(t))
    torch.testing.assert_close(on(EndpointLoss()), (1 - t) ** 2)
    torch.testing.assert_close(on(NoiseLoss()), t**2)
    torch.testing.assert_close(on(Likelihood()), t / (1 - t))
    torch.testing.assert_close(on(MinSNR(5.0)), (t / (1 - t)).square().clamp(max=5.0) * (1 - t) ** 2)
    # half the slope of the log ratio on the noise loss
    c = VariancePreserving()(t)
    path = Affine(VariancePreserving())
    slope = on(Likelihood(), path) / on(NoiseLoss(), path)
    torch.testing.assert_close(slope, c.wronskian / (c.alpha * c.sigma))
    with pytest.raises(InvalidInput, match="gamma"):
        MinSNR(gamma=0.0)


def test_functions_of_time_weigh_the_loss_of_the_head_as_it_is():
    pairs, net = batch_of(64), lambda x, t, cond: 0 * x
    loss = lambda w: FlowMatching(head=Noise(), weight=w)(net, pairs, generator=seeded(0)).value
    torch.testing.assert_close(loss(lambda t: torch.full_like(t, 3.0)), 3 * loss(One()))
    assert torch.equal(One()(torch.rand(3)), torch.ones(3))


def test_a_named_loss_needs_to_know_both_ends():
    with pytest.raises(Incompatible, match=r"NoiseLoss compares .* without latent noise"):
        FlowMatching(Affine(CondOT(), latent=Brownian()), weight=NoiseLoss())


def test_row_weights_count():
    pairs = batch_of(64)
    net, g = lambda x, t, cond: 0 * x, lambda: torch.Generator().manual_seed(0)
    objective = FlowMatching()
    whole = objective(net, pairs, generator=g()).value
    torch.testing.assert_close(
        objective(net, pairs._replace(weight=torch.full((64,), 3.0, dtype=torch.float64)), generator=g()).value,
        3 * whole,
    )


def test_dropped_conditions_become_null_with_the_stated_rate():
    seen = []
    net = lambda x, t, cond: seen.append(cond) or x
    pairs = Pairs((torch.zeros(4000, 2), torch.zeros(4000, 2)), cond=torch.ones(4000, dtype=torch.int64))
    FlowMatching(cond_drop=0.25)(net, pairs, generator=torch.Generator().manual_seed(0))
    share = (seen[0] == -1).double().mean()
    assert abs(share - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
    assert set(seen[0].tolist()) == {-1, 1}


def test_further_terms_share_the_forward_pass():
    calls = []

    class Shrink:
        name = "shrink"

        def __call__(self, point, law, objective):
            return law.mean.square().mean(1)

    def net(x, t, cond):
        calls.append(1)
        return x

    loss = FlowMatching(terms=(Shrink(),))(net, batch_of(8), generator=torch.Generator().manual_seed(0))
    assert len(calls) == 1
    assert set(loss.terms) == {"fit", "shrink"}
    torch.testing.assert_close(loss.value, loss.terms["fit"] + loss.terms["shrink"])


def test_same_generator_same_loss_and_field_is_what_was_trained():
    pairs, net = batch_of(32), nn.Identity()
    objective = FlowMatching(times=LogitNormal())
    call = lambda: objective(lambda x, t, c: x, pairs, generator=torch.Generator().manual_seed(9)).value
    assert torch.equal(call(), call())
    view = objective.field(net)
    assert view.net is net
    assert view.path is objective.path


def test_senseless_parts_are_refused_at_construction():
    with pytest.raises(Incompatible, match="latent"):
        FlowMatching(Affine(CondOT(), latent=Brownian()), head=Endpoint())
    with pytest.raises(InvalidInput, match="cond_drop"):
        FlowMatching(cond_drop=1.5)


@pytest.mark.parametrize(
    ("name", "part", "match"),
    [
        ("path", CondOT(), r"FlowMatching.path is CondOT\(.*\), expected a path such as Affine\(CondOT\(\)\)"),
        ("path", Affine, r"FlowMatching.path is the class Affine, expected an instance; write Affine\(\)"),
        ("head", Noise, r"FlowMatching.head is the class Noise, expected an instance; write Noise\(\)"),
        ("times", Stratified(), "FlowMatching.times is Stratified"),
        ("draw", LogitNormal(), "FlowMatching.draw is LogitNormal"),
        ("weight", 2.0, "FlowMatching.weight is 2.0, expected a function"),
    ],
)
def test_parts_of_another_kind_are_refused_at_construction(name, part, match):
    """Asked of __post_init__ itself: while tests run, beartype refuses the arguments first."""
    parts = {field: getattr(FlowMatching(), field) for field in FlowMatching.__dataclass_fields__} | {name: part}
    with pytest.raises(Incompatible, match=match):
        FlowMatching.__post_init__(SimpleNamespace(**parts))


def test_pairs_of_different_shapes_are_refused():
    with pytest.raises(InvalidInput, match=r"x0 has shape \[4, 2\] and x1 has \[4, 3\]"):
        FlowMatching()(nn.Identity(), Pairs((torch.zeros(4, 2), torch.zeros(4, 3))))
