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
BLUR = Affine(Cosine(), Constant(0.3))
PATHS = [
    Affine(CondOT(), Brownian(0.7)),
    Affine(Trigonometric(Brownian(1.3)), Brownian(1.3)),
    Affine(EncodingDecoding(), SineSquared()),
    BLUR,
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

    def __init__(self, exact, head):
        super().__init__()
        self.exact, self.head, self.calls = exact, head, 0

    def forward(self, x, t, cond=None):
        self.calls += 1
        eta = self.exact.latent(x, t)
        if isinstance(self.head, LatentNoise):
            return eta
        c = self.exact.path.coeffs(t)
        motion = c.d_alpha[:, None] * self.exact.endpoint(x, t) + c.d_sigma[:, None] * self.exact.noise(x, t)
        spread = (t * (1 - t))[:, None]
        return stack(motion, eta * (1 + self.head.width**2 / spread).sqrt())


def points(n=64):
    g = torch.Generator().manual_seed(2)
    return 2 * torch.randn(n, 2, generator=g, dtype=F64), 0.01 + 0.98 * torch.rand(n, generator=g, dtype=F64)


@pytest.mark.parametrize(
    ("path", "head"),
    [(path, FlowAndScore(width=w)) for path in PATHS for w in (0.0, 0.3) if w == 0 or path is not BLUR],
    ids=repr,
)
@pytest.mark.parametrize("mixture", [reference_mixture(), COUPLED], ids=["independent", "coupled"])
def test_what_a_perfect_network_says_is_the_closed_form(path, head, mixture):
    """For any source and coupling: the latent noise is independent of both ends."""
    exact, (x, t) = mixture.along(path), points()
    field = NetField(Perfect(exact, head), head, path)
    push = torch.linspace(-1, 1, len(t), dtype=F64)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    close(field(x, t), exact(x, t))
    close(field.score(x, t), exact.score(x, t))
    close(field.drift(x, t, None, push), exact(x, t) + push[:, None] * exact.score(x, t))
    alone = NetField(Perfect(exact, LatentNoise()), LatentNoise(), path)
    close(alone.score(x, t), exact.score(x, t))
    if path.schedule == Mirror():
        close(alone(x, t), exact(x, t))


def test_one_evaluation_tells_both():
    path = PATHS[0]
    net = Perfect(reference_mixture().along(path), FlowAndScore())
    sde, (x, t) = FlowSDE(NetField(net, FlowAndScore(), path), eps=0.3), points()
    drift = sde(x, t, direction=torch.ones_like(t))
    assert net.calls == 1
    parts = FlowSDE(NetField(net, FlowAndScore(), path), eps=0.3, score=NetField(net, FlowAndScore(), path).score)
    torch.testing.assert_close(parts(x, t, direction=torch.ones_like(t)), drift, rtol=1e-9, atol=1e-9)
    assert net.calls == 3


def test_one_evaluation_of_the_noise_tells_both_where_nothing_else_moves():
    path = Affine(Mirror(), SineSquared(0.8))
    exact = reference_mixture().along(path)
    net = Perfect(exact, LatentNoise())
    sde, (x, t) = FlowSDE(NetField(net, LatentNoise(), path), eps=0.3), points()
    drift = sde(x, t, direction=torch.ones_like(t))
    assert net.calls == 1
    torch.testing.assert_close(drift, exact(x, t) + 0.3 * exact.score(x, t), rtol=1e-9, atol=1e-9)


def test_velocity_and_score_may_be_learned_apart():
    """The velocity's own network beside a network of the noise, and two networks as one."""
    path, (x, t) = PATHS[0], points()
    exact = COUPLED.along(path)
    noise = NetField(Perfect(exact, LatentNoise()), LatentNoise(), path)
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
@pytest.mark.parametrize("head", [FlowAndScore(), FlowAndScore(width=0)], ids=repr)
@each_path
def test_what_any_network_says_is_finite_at_both_ends(path, head, dtype):
    x, t = torch.ones(2, 3, dtype=dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    law = head.law(torch.full((2, 6), 0.3, dtype=dtype), x, t)
    for found in (
        law.loss(head.target(path, path.sample(Pairs((x, x)), t))),
        head.velocity(path, law, x, t),
        head.score(path, law, x, t),
        head.drift(path, law, x, t, torch.full_like(t, 0.4)),
    ):
        assert found.isfinite().all()
        assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("scale", [0.3, 0.8**0.5, 2.0])
def test_the_bridge_starts_at_its_ends_as_it_is(scale, dtype):
    """With eps = scale^2 / 2 the noise has no say at the start of either equation, whatever a network says of it."""
    path, x, width = Affine(CondOT(), Brownian(scale)), torch.ones(2, 1, dtype=dtype), 0.2
    net, head = Says(torch.tensor([[5.0, 7.0]], dtype=dtype)), FlowAndScore(width=width)
    sde = FlowSDE(NetField(net, head, path), eps=scale**2 / 2)
    start, direction = torch.tensor([0.0, 1.0], dtype=dtype), torch.tensor([1.0, -1.0], dtype=dtype)
    torch.testing.assert_close(sde(x, start, direction=direction), torch.full_like(x, 5.0), rtol=0, atol=1e-4)
    t = torch.tensor([0.2, 1.0], dtype=dtype)
    found = sde(x, t, direction=torch.ones_like(t))
    factor = -scale * t / (t * (1 - t) + width**2).sqrt()  # sqrt(t / (1 - t)) times r, finite at 1
    torch.testing.assert_close(found, (5 + 7 * factor)[:, None], rtol=1e-4, atol=1e-4)


class Says(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, x, t, cond=None):
        return self.out.expand(len(x), -1)


def test_noise_that_vanishes_with_gamma_is_finite_at_the_ends():
    """eps ~ gamma^2: eps s = -gamma eta is 0 where gamma is, and the velocity is all that is left."""
    path = Affine(EncodingDecoding(), SineSquared())
    field = NetField(Says(torch.tensor([[5.0, 7.0]])), FlowAndScore(width=0), path)
    x, t = torch.ones(3, 1), torch.tensor([0.0, 0.5, 1.0])
    drift = FlowSDE(field, lambda t: path.latent(t)[0].square())(x, t, direction=torch.ones(3))
    torch.testing.assert_close(drift, torch.tensor([[5.0], [5.0 - 7.0], [5.0]]), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("path", "alone", "both"),
    [
        (PATHS[0], (1e-3, 1 - 1e-3), (0.0, 1.0)),  # r / gamma is finite where both go like a root
        (PATHS[2], (1e-3, 1 - 1e-3), (1e-3, 1 - 1e-3)),
        (BLUR, (0.0, 1.0), None),  # never vanishes
        (Affine(CondOT(), lambda t: (t, t)), (1e-3, 1.0), None),
    ],
    ids=["brownian", "sine", "constant", "one end"],
)
def test_ends_are_left_out_only_where_the_noise_vanishes(path, alone, both):
    assert NetField(nn.Identity(), LatentNoise(), path).score.span == alone
    assert NetField(nn.Identity(), FlowAndScore(width=0), path).span == alone
    if both is not None:
        assert NetField(nn.Identity(), FlowAndScore(width=0.3), path).span == both
    else:
        with pytest.raises(Incompatible, match=r"takes eta to 0 at both ends, .*; use FlowAndScore\(width=0\)"):
            NetField(nn.Identity(), FlowAndScore(width=0.3), path)


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
    share = t * (1 - t) / (t * (1 - t) + head.width**2)  # an answer that is off by 1 misses eta by r
    torch.testing.assert_close(off.loss(target), 1 + 0.5 * share)


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
    with pytest.raises(Incompatible, match="speaks of latent noise, whose width is 0 here"):
        NetField(nn.Identity(), head, Affine(latent=Brownian(0.0)))
    with pytest.raises(Incompatible, match="speaks of latent noise, which this Affine does not have"):
        NetField(nn.Identity(), head, Affine())


def test_noise_alone_is_no_velocity():
    x, t = points()
    with pytest.raises(Incompatible, match="latent noise alone does not tell a velocity; use FlowAndScore"):
        NetField(Perfect(COUPLED.along(PATHS[0]), LatentNoise()), LatentNoise(), PATHS[0])(x, t)


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


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["weight", "width"])
def test_senseless_numbers_are_refused(name, value):
    with pytest.raises(InvalidInput, match=f"FlowAndScore needs a finite {name} >= 0"):
        FlowAndScore(**{name: value})


def test_the_loss_is_that_of_the_noise_whatever_the_width():
    """The same eta costs the same; so the width decides only what the network has to be."""
    path, g = PATHS[0], torch.Generator().manual_seed(0)
    pairs = Pairs(tuple(torch.randn(64, 2, generator=g, dtype=F64) for _ in range(2)))
    point = path.sample(pairs, torch.linspace(0.01, 0.99, 64, dtype=F64), generator=g)
    exact = COUPLED.along(path)
    losses = []
    for head in (FlowAndScore(0.5, 0.0), FlowAndScore(0.5, 0.1), FlowAndScore(0.5, 2.0)):
        law = head.law(Perfect(exact, head)(point.x, point.t), point.x, point.t)
        losses.append(law.loss(head.target(path, point)))
    for loss in losses[1:]:
        torch.testing.assert_close(loss, losses[0], rtol=1e-10, atol=1e-12)
