"""Heads that speak of latent noise: velocity, score and drift against the exact mixture, and their ends."""

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Pairs, ScoreHead, span_of
from pushforward.fields import (
    Endpoint,
    FlowAndScore,
    FlowSDE,
    LatentNoise,
    NetField,
    NetScore,
    Stacked,
    Velocity,
    stack,
)
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Constant,
    Cosine,
    EncodingDecoding,
    Mirror,
    SineSquared,
    Trigonometric,
)

F64 = torch.float64
PATHS = [
    Affine(CondOT(), Brownian(0.7)),
    Affine(Trigonometric(Brownian(1.3)), Brownian(1.3)),
    Affine(EncodingDecoding(), SineSquared()),
    Affine(Cosine(), Constant(0.3)),
    Affine(Mirror(), SineSquared(0.8)),
]
each_path = pytest.mark.parametrize("path", PATHS, ids=repr)
COUPLED = GaussianMixture(
    [[1.0, 0.0], [-1.0, 2.0]],
    [0.5, 0.2],
    source_means=[[-1.0, 0.5], [0.3, 0.0]],
    source_covariances=[[0.4, 1.5], [1.0, 0.6]],
    cross=[[[0.2, 0.1], [-0.1, 0.3]], [[0.0, 0.2], [0.0, 0.0]]],
)


class Perfect(nn.Module):
    """Says with the exact ends and noise of a mixture what a head asks for."""

    def __init__(self, exact, noise_only=False):
        super().__init__()
        self.exact, self.noise_only, self.calls = exact, noise_only, 0

    def forward(self, x, t, cond=None):
        self.calls += 1
        eta = self.exact.latent(x, t)
        c = self.exact.path.coeffs(t)
        motion = c.d_alpha[:, None] * self.exact.endpoint(x, t) + c.d_sigma[:, None] * self.exact.noise(x, t)
        return eta if self.noise_only else stack(motion, eta)


def points(n=64):
    g = torch.Generator().manual_seed(2)
    return 2 * torch.randn(n, 2, generator=g, dtype=F64), 0.01 + 0.98 * torch.rand(n, generator=g, dtype=F64)


@each_path
@pytest.mark.parametrize("mixture", [reference_mixture(), COUPLED], ids=["independent", "coupled"])
def test_what_a_perfect_network_says_is_the_closed_form(path, mixture):
    """For any source and coupling: the latent noise is independent of both ends."""
    exact, (x, t) = mixture.along(path), points()
    field = NetField(Perfect(exact), FlowAndScore(), path)
    push = torch.linspace(-1, 1, len(t), dtype=F64)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    close(field(x, t), exact(x, t))
    close(field.score(x, t), exact.score(x, t))
    close(field.drift(x, t, None, push), exact(x, t) + push[:, None] * exact.score(x, t))
    alone = NetField(Perfect(exact, noise_only=True), LatentNoise(), path)
    close(alone.score(x, t), exact.score(x, t))
    if path.schedule == Mirror():
        close(alone(x, t), exact(x, t))


def test_one_evaluation_tells_both():
    path = PATHS[0]
    net = Perfect(reference_mixture().along(path))
    sde, (x, t) = FlowSDE(NetField(net, FlowAndScore(), path), eps=0.3), points()
    drift = sde(x, t, direction=torch.ones_like(t))
    assert net.calls == 1
    parts = FlowSDE(NetField(net, FlowAndScore(), path), eps=0.3, score=NetField(net, FlowAndScore(), path).score)
    torch.testing.assert_close(parts(x, t, direction=torch.ones_like(t)), drift, rtol=1e-9, atol=1e-9)
    assert net.calls == 3


def test_velocity_and_score_may_be_learned_apart():
    """The velocity's own network beside a network of the noise, and two networks as one."""
    path, (x, t) = PATHS[0], points()
    exact = COUPLED.along(path)
    noise = NetField(Perfect(exact, noise_only=True), LatentNoise(), path)
    apart = FlowSDE(NetField(Velocities(exact), Velocity(), path), eps=0.3, score=noise.score)
    whole = FlowSDE(exact, eps=0.3)
    direction = torch.where(t > 0.5, 1.0, -1.0).double()
    torch.testing.assert_close(apart(x, t, direction=direction), whole(x, t, direction=direction), rtol=1e-9, atol=1e-9)
    assert span_of(apart) == (1e-3, 1 - 1e-3)  # where the score is regular


class Velocities(nn.Module):
    def __init__(self, exact):
        super().__init__()
        self.exact = exact

    def forward(self, x, t, cond=None):
        return self.exact(x, t)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@each_path
def test_what_any_network_says_is_finite_at_both_ends(path, dtype):
    x, t = torch.ones(2, 3, dtype=dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    law = FlowAndScore().law(torch.full((2, 6), 0.3, dtype=dtype), x, t)
    for found in (
        FlowAndScore().velocity(path, law, x, t),
        FlowAndScore().score(path, law, x, t),
        FlowAndScore().drift(path, law, x, t, torch.full_like(t, 0.4)),
    ):
        assert found.isfinite().all()
        assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("scale", [0.3, 0.8**0.5, 2.0])
def test_the_bridge_starts_at_its_ends_as_it_is(scale, dtype):
    """With eps = scale^2 / 2 the noise has no say at the start of either equation, whatever a network says of it."""
    path, x = Affine(CondOT(), Brownian(scale)), torch.ones(2, 1, dtype=dtype)
    sde = FlowSDE(NetField(Says(torch.tensor([[5.0, 7.0]], dtype=dtype)), FlowAndScore(), path), eps=scale**2 / 2)
    start, direction = torch.tensor([0.0, 1.0], dtype=dtype), torch.tensor([1.0, -1.0], dtype=dtype)
    assert torch.equal(sde(x, start, direction=direction), torch.full_like(x, 5.0))
    t = torch.tensor([0.2, 0.9], dtype=dtype)
    factor = -scale * (t / (1 - t)).sqrt()
    found = sde(x, t, direction=torch.ones_like(t))
    torch.testing.assert_close(found, (5 + 7 * factor)[:, None], rtol=1e-5, atol=1e-5)


class Says(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, x, t, cond=None):
        return self.out.expand(len(x), -1)


def test_noise_that_vanishes_with_gamma_is_finite_at_the_ends():
    """eps ~ gamma^2: eps s = -gamma eta is 0 where gamma is, and the velocity is all that is left."""
    path = Affine(EncodingDecoding(), SineSquared())
    field = NetField(Says(torch.tensor([[5.0, 7.0]])), FlowAndScore(), path)
    x, t = torch.ones(3, 1), torch.tensor([0.0, 0.5, 1.0])
    drift = FlowSDE(field, lambda t: path.latent(t)[0].square())(x, t, direction=torch.ones(3))
    torch.testing.assert_close(drift, torch.tensor([[5.0], [5.0 - 7.0], [5.0]]), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("path", "span"),
    [
        (PATHS[0], (1e-3, 1 - 1e-3)),
        (PATHS[2], (1e-3, 1 - 1e-3)),
        (PATHS[3], (0.0, 1.0)),  # a blur never vanishes
        (Affine(CondOT(), lambda t: (t, t)), (1e-3, 1.0)),
    ],
    ids=["brownian", "sine", "constant", "one end"],
)
def test_ends_are_left_out_only_where_the_noise_vanishes(path, span):
    assert NetField(nn.Identity(), FlowAndScore(), path).span == span
    assert NetField(nn.Identity(), LatentNoise(), path).score.span == span


def test_mappings_are_their_leaves():
    path, g = PATHS[0], torch.Generator().manual_seed(0)
    flat = Pairs(tuple(torch.randn(8, 4, generator=g, dtype=F64) for _ in range(2)))
    t = torch.linspace(0.1, 0.9, 8, dtype=F64)
    point = path.sample(flat, t, generator=g)
    cut = lambda x: {"a": x[:, :1], "b": x[:, 1:]}
    parts = point._replace(
        x=cut(point.x), latent=cut(point.latent), pairs=Pairs(tuple(cut(end) for end in flat.anchors))
    )
    head = FlowAndScore(0.5)
    target = head.target(path, parts)
    assert {name: leaf.shape[1] for name, leaf in target.items()} == {"a": 2, "b": 6}
    law = head.law(target, parts.x, t)
    velocity = head.velocity(path, law, parts.x, t)
    torch.testing.assert_close(torch.cat([velocity["a"], velocity["b"]], 1), path.velocity(point))
    off = head.law({name: leaf + 1.0 for name, leaf in target.items()}, parts.x, t)
    torch.testing.assert_close(off.loss(target), torch.full((8,), 1.5, dtype=F64))


def test_each_quantity_is_scored_by_itself():
    mean, target = torch.zeros(2, 4, 3), torch.zeros(2, 4, 3)
    target[:, :2], target[:, 2:] = 1.0, 2.0
    torch.testing.assert_close(Stacked(mean, (1.0, 0.5)).loss(target), torch.full((2,), 1.0 + 0.5 * 4.0))
    first, second = Stacked(target, (1.0, 0.5)).split()
    assert torch.equal(first, torch.ones(2, 2, 3))
    assert torch.equal(second, 2 * torch.ones(2, 2, 3))
    assert torch.equal(stack(first, second), target)


def test_a_network_with_too_few_outputs_is_refused():
    with pytest.raises(InvalidInput, match=r"gave shape \[8, 2\] for targets of shape \[8, 4\], .* with outputs=2"):
        Stacked(torch.zeros(8, 2), (1.0, 1.0)).loss(torch.zeros(8, 4))


@pytest.mark.parametrize("head", [FlowAndScore(), LatentNoise()], ids=repr)
def test_paths_without_latent_noise_are_refused(head):
    assert isinstance(head, ScoreHead)
    with pytest.raises(Incompatible, match="speaks of latent noise, which this Affine does not have"):
        NetField(nn.Identity(), head, Affine())


def test_noise_alone_is_no_velocity():
    x, t = points()
    with pytest.raises(Incompatible, match="latent noise alone does not tell a velocity; use FlowAndScore"):
        NetField(Perfect(COUPLED.along(PATHS[0]), noise_only=True), LatentNoise(), PATHS[0])(x, t)


def test_a_velocity_is_no_score():
    field = NetField(nn.Identity(), Velocity(), PATHS[0])
    assert not hasattr(field, "score")
    assert not hasattr(field, "drift")
    with pytest.raises(Incompatible, match="Velocity tells no score by itself; use FlowAndScore"):
        NetScore(field)
    with pytest.raises(Incompatible, match="FlowSDE needs a score"):
        FlowSDE(field)
    with pytest.raises(Incompatible, match="Endpoint tells no score"):
        NetScore(NetField(nn.Identity(), Endpoint(), Affine()))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_senseless_weights_are_refused(weight):
    with pytest.raises(InvalidInput, match="FlowAndScore needs a finite weight >= 0"):
        FlowAndScore(weight)
