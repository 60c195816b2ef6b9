"""The regression objective: its minimum, its stationary point, its weights and its gradients."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.fields import Endpoint, FlowAndScore, LatentNoise, NetField, Noise, Score, Velocity, stack
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


@pytest.mark.parametrize("times", [Uniform(), LogitNormal()], ids=repr)
def test_several_states_of_a_pair_are_the_mean_over_their_times(times):
    """One time in each K-th part of the law, and the loss of as many pairs at these times."""
    g = seeded(0)
    pairs = Pairs((torch.randn(6, 2, generator=g), torch.randn(6, 2, generator=g)), weight=torch.rand(6, generator=g))
    asked = []

    def net(x, t, cond):
        asked.append((x, t))
        return x.sin()

    whole = FlowMatching(times=times, states=4)(net, pairs, generator=seeded(1))
    x, t = asked[0]
    quantiles = t if isinstance(times, Uniform) else torch.distributions.Normal(0.0, 1.0).cdf(t.logit())
    assert torch.equal((4 * quantiles.view(6, 4)).floor(), torch.arange(4.0).expand(6, 4))
    parts = []
    for k in range(4):
        t_k = t.view(6, 4)[:, k]
        point = Affine().sample(pairs, t_k)
        torch.testing.assert_close(point.x, x.view(6, 4, 2)[:, k])
        parts.append((Affine().velocity(point) - point.x.sin()).square().mean(1) * pairs.weight)
    torch.testing.assert_close(whole.value, torch.stack(parts).mean())
    with pytest.raises(InvalidInput, match="states is 0"):
        FlowMatching(states=0)


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


LATENT = Affine(CondOT(), Brownian(0.8))


class Row(nn.Module):
    """Says one row of numbers, whatever it is asked."""

    def __init__(self, *values):
        super().__init__()
        self.row = nn.Parameter(torch.tensor(values, dtype=torch.float64))

    def forward(self, x, t, cond=None):
        return self.row.expand(len(x), -1)


def gradients(objective, repeats, rows):
    """Gradients of the constant network 0, one for every repeat."""
    found = []
    for k in range(repeats):
        net = Row(*[0.0] * 2 * objective.outputs)
        objective(net, batch_of(rows, k), generator=seeded(10_000 + k)).value.backward()
        found.append(net.row.grad)
    return torch.stack(found)


def test_both_signs_take_the_noise_out_of_the_gradient():
    """At a fixed time near the end and for equal evaluations: the constant network's gradient is v_hat - dx_t.

    Of n draws it has the variance (Var u + gamma'^2) / n in every coordinate, up to the factor 2 / d = 1 of the mean
    over coordinates; of n / 2 pairs of signs Var u / (n / 2), in which gamma'^2 = 158 is gone.
    """
    t, n, repeats = 1e-3, 64, 400
    plain = FlowMatching(LATENT, times=Uniform(t, t + 1e-9))
    paired = FlowMatching(LATENT, times=Uniform(t, t + 1e-9), both_signs=True)
    one, two = gradients(plain, repeats, n), gradients(paired, repeats, n // 2)
    within = batch_of(200_000).x1.var(0) + 1.0  # x1 - x0
    gamma, product = LATENT.latent(torch.tensor([t], dtype=torch.float64))
    error = 4 * math.sqrt(2 / (repeats - 1))  # of a variance, relative
    assert ((one.var(0) / ((within + (product / gamma) ** 2) / n) - 1).abs() < error).all()
    assert ((two.var(0) / (within / (n / 2)) - 1).abs() < error).all()
    # both are unbiased: the mean of dx_t is that of x1 - x0
    for found in (one, two):
        gap = found.mean(0) + reference_mixture().sample_pairs(200_000, generator=seeded(1)).x1.mean(0)
        assert (gap.abs() < 4 * (found.std(0) / math.sqrt(repeats) + within.sqrt() / math.sqrt(200_000))).all()


@pytest.mark.parametrize("head", [Velocity(), FlowAndScore(0.5), LatentNoise()], ids=repr)
def test_both_signs_leave_the_minimiser(head):
    """The exact answer stays stationary, along directions that both signs feel differently."""
    exact = reference_mixture().along(LATENT)

    def answer(x, t, cond=None):
        motion = exact.endpoint(x, t) - exact.noise(x, t)
        noise = exact.latent(x, t)
        return {Velocity: exact(x, t), FlowAndScore: stack(motion, noise), LatentNoise: noise}[type(head)]

    slopes = []
    for k in range(60):
        h = torch.zeros(3, dtype=torch.float64, requires_grad=True)

        def bumped(x, t, cond=None, h=h):
            y = answer(x, t)
            bumps = torch.stack([torch.ones_like(y), (3 * y).sin(), y * t[:, None]])
            return y + (h[:, None, None] * bumps).sum(0)

        objective = FlowMatching(LATENT, head, times=Uniform(0.02, 0.98), both_signs=True)
        objective(bumped, batch_of(500, k), generator=seeded(10_000 + k)).value.backward()
        slopes.append(h.grad)
    slopes = torch.stack(slopes)
    assert (slopes.mean(0).abs() < 4 * slopes.std(0) / math.sqrt(len(slopes))).all()


def test_both_signs_are_the_mean_of_either():
    """With conditions, weights and terms that belong to their rows."""
    pairs = batch_of(32)._replace(cond=torch.arange(32), weight=torch.linspace(0, 1, 32, dtype=torch.float64))
    seen = []

    def net(x, t, cond):
        seen.append((x, t, cond))
        return (2 * x).sin() * cond[:, None]

    both = FlowMatching(LATENT, both_signs=True)(net, pairs, generator=seeded(0)).value
    ((x, t, cond),) = seen
    assert x.shape == (64, 2)
    assert torch.equal(t[:32], t[32:])
    assert torch.equal(cond[:32], cond[32:])
    torch.testing.assert_close((x[:32] + x[32:]) / 2, (1 - t[:32, None]) * pairs.x0 + t[:32, None] * pairs.x1)
    plain = FlowMatching(LATENT)(net, pairs, generator=seeded(0)).value
    point = LATENT.sample(pairs, t[:32])._replace(x=x[:32])
    gamma = LATENT.latent(t[:32])[0][:, None]
    point = point._replace(latent=(x[:32] - x[32:]) / (2 * gamma))
    other = LATENT.mirrored(point)
    rows = (net(other.x, t[:32], pairs.cond) - LATENT.velocity(other)).square().mean(1)
    torch.testing.assert_close(both, (plain + (rows * pairs.weight).mean()) / 2)


def test_both_signs_need_latent_noise():
    with pytest.raises(Incompatible, match=r"both_signs is about latent noise, which Affine.* does not have"):
        FlowMatching(both_signs=True)


def test_the_velocity_loss_at_its_optimum_is_minus_half_the_energy():
    """L_v = E[|v|^2 / 2 - dx_t . v], which is half the regression loss less E|dx_t|^2 / 2."""
    exact = reference_mixture().along(LATENT)
    pairs, t = batch_of(100_000), Uniform(0.05, 0.95).quantile(torch.linspace(0, 1, 100_000, dtype=torch.float64))
    point = LATENT.sample(pairs, t, generator=seeded(1))
    motion, v = LATENT.velocity(point), exact(point.x, t)
    regression = Velocity().law(v, point.x, t).loss(Velocity().target(LATENT, point)) * 2  # a mean over 2 coordinates
    rows = (regression - motion.square().sum(1)) / 2 + v.square().sum(1) / 2
    assert abs(rows.mean()) < 4 * rows.std() / math.sqrt(len(rows))


def test_the_objective_says_how_many_quantities_it_asks_for():
    assert FlowMatching().outputs == 1
    assert FlowMatching(LATENT, FlowAndScore()).outputs == 2
    objective = FlowMatching(LATENT, FlowAndScore(0.3))
    net = Row(0.0, 0.0, 0.0, 0.0)
    loss = objective(net, batch_of(16), generator=seeded(0))
    loss.value.backward()
    assert net.row.grad.abs().min() > 0
    assert objective.field(net) == NetField(net, FlowAndScore(0.3), LATENT)


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
