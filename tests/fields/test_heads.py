"""Laws of every head, and the views of a trained network."""

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.fields import (
    Dirac,
    Endpoint,
    FlowAndScore,
    LatentNoise,
    NetEstimator,
    NetField,
    Noise,
    Score,
    Velocity,
)
from pushforward.oracles import reference_mixture
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Constant,
    Cosine,
    EncodingDecoding,
    KineticOptimal,
    LinearVP,
    Mirror,
    Polynomial,
    SineSquared,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
)

HEADS = [Velocity(), Endpoint(), Noise(), Score()]
SCHEDULES = [CondOT(), Polynomial(2), Cosine(), LinearVP(), VariancePreserving(), VarianceExploding(0.1, 8.0)]
MORE = [Affine(s) for s in (CondOT(0.05), KineticOptimal((0.3, 0.5, 0.9, 1.0)), Trigonometric(Constant(0.4)))]
LATENT = [
    Affine(CondOT(), Brownian(0.7)),
    Affine(Trigonometric(Brownian(1.3)), Brownian(1.3)),
    Affine(EncodingDecoding(), SineSquared()),
    Affine(LinearVP(), Constant(0.2)),
]
MIRROR = [Affine(Mirror(), Brownian(0.7)), Affine(Mirror(), SineSquared(0.8))]
ALLOWED = [(head, path) for head in HEADS for path in [*map(Affine, SCHEDULES), *MORE]]
ALLOWED += [(head, path) for head in (Velocity(), FlowAndScore(0.3, width=0)) for path in [*LATENT, *MIRROR]]
ALLOWED += [(FlowAndScore(0.3), path) for path in [*LATENT[:-1], *MIRROR]]
ALLOWED += [(LatentNoise(), path) for path in MIRROR]
each_head = pytest.mark.parametrize("head", HEADS, ids=repr)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


@pytest.mark.parametrize(("head", "path"), ALLOWED, ids=repr)
@pytest.mark.parametrize("event", [(2, 3), (3,), ()], ids=str)
def test_target_read_as_law_gives_the_velocity_of_the_path(head, path, event):
    g = torch.Generator().manual_seed(1)
    pairs = Pairs(tuple(torch.randn(32, *event, generator=g, dtype=torch.float64) for _ in range(2)))
    point = path.sample(pairs, torch.linspace(0.05, 0.95, 32, dtype=torch.float64))
    law = head.law(head.target(path, point), point.x, point.t)
    assert torch.equal(law.loss(head.target(path, point)), torch.zeros(32))
    torch.testing.assert_close(head.velocity(path, law, point.x, point.t), path.velocity(point), rtol=1e-9, atol=1e-9)


@each_head
@each_schedule
def test_what_a_perfect_network_says_is_the_closed_form(head, schedule):
    """Every schedule x head at random points agrees with the exact mixture to 1e-10 (float64)."""
    path, g = Affine(schedule), torch.Generator().manual_seed(2)
    exact = reference_mixture().along(path)
    answer = {Velocity(): exact, Endpoint(): exact.endpoint, Noise(): exact.noise, Score(): exact.score}[head]
    t = 0.02 + 0.96 * torch.rand(200, generator=g, dtype=torch.float64)
    x = 2 * torch.randn(200, 2, generator=g, dtype=torch.float64)
    view = NetField(Perfect(answer), head, path)
    torch.testing.assert_close(view(x, t), exact(x, t), rtol=1e-10, atol=1e-10)
    ends = NetEstimator(view)(x, t)
    torch.testing.assert_close(ends.x1, exact.endpoint(x, t), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ends.x0, exact.noise(x, t), rtol=1e-9, atol=1e-10)


@each_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_an_end_that_the_network_says_is_handed_on_at_all_times(schedule, dtype):
    x, t = torch.ones(5, 2, dtype=dtype), torch.linspace(0, 1, 5, dtype=dtype)
    said = torch.full((5, 2), 0.3, dtype=dtype)
    ends = lambda head, said: NetEstimator(NetField(Perfect(lambda x, t: said), head, Affine(schedule)))(x, t)
    assert torch.equal(ends(Noise(), said).x0, said)
    assert torch.equal(ends(Endpoint(), said).x1, said)
    sigma = schedule(t).sigma[:, None]
    torch.testing.assert_close(ends(Score(), said).x0, -sigma * said)
    for head in (Noise(), Endpoint(), Score()):
        assert all(torch.isfinite(end).all() for end in ends(head, said))


class Perfect(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, t, cond=None):
        return self.answer(x, t)


@each_head
@each_schedule
def test_spans_are_where_the_velocity_is_finite(head, schedule):
    path = Affine(schedule)
    for t in head.span(path):
        x = torch.ones(1, 2)
        assert head.velocity(path, Dirac(0.5 * x), x, torch.tensor([t])).abs().max() < 1e4


@pytest.mark.parametrize(
    ("schedule", "alpha_starts", "sigma_ends"),
    [
        (CondOT(), True, True),
        (LinearVP(), True, True),
        (Cosine(), True, True),
        (VariancePreserving(), False, True),  # alpha_0 is 0.0066
        (VarianceExploding(), False, False),
        (CondOT(0.01), True, False),
        (CondOT(1e-4), True, True),
    ],
    ids=repr,
)
def test_only_the_ends_at_which_a_coefficient_vanishes_are_left_out(schedule, alpha_starts, sigma_ends):
    path = Affine(schedule)
    low, high = 1e-3 * alpha_starts, 1 - 1e-3 * sigma_ends
    assert Velocity().span(path) == (0.0, 1.0)
    assert Endpoint().span(path) == (0.0, high)
    assert Noise().span(path) == (low, 1.0)
    assert Score().span(path) == (low, high)
    assert NetField(nn.Identity(), Score(), path).span == (low, high)


@pytest.mark.parametrize("head", [Endpoint(), Noise(), Score()], ids=repr)
def test_heads_that_speak_of_ends_refuse_latent_noise_and_foreign_paths(head):
    class Other:
        space = None

        def sample(self, pairs, t, *, generator=None): ...
        def velocity(self, point): ...

    with pytest.raises(Incompatible, match="latent"):
        NetField(nn.Identity(), head, Affine(CondOT(), latent=Brownian()))
    with pytest.raises(Incompatible, match="Other"):
        NetField(nn.Identity(), head, Other())


def test_estimator_refuses_what_a_velocity_cannot_tell():
    with pytest.raises(Incompatible, match="latent"):
        NetEstimator(NetField(nn.Identity(), Velocity(), Affine(CondOT(), latent=Brownian())))


def test_dirac_scores_the_mean_over_all_coordinates():
    x = torch.arange(6.0).reshape(2, 3)
    torch.testing.assert_close(Dirac(x).loss(x + torch.tensor([[1.0], [2.0]])), torch.tensor([1.0, 4.0]))
    mapping = {"a": x[:, :1], "b": x[:, 1:]}
    torch.testing.assert_close(Dirac(mapping).loss({k: v + 2.0 for k, v in mapping.items()}), torch.tensor([4.0, 4.0]))


@pytest.mark.parametrize(
    ("said", "target", "match"),
    [
        (torch.zeros(8, 1), torch.zeros(8, 2), r"gave shape \[8, 1\] for targets of shape \[8, 2\]"),
        (torch.zeros(8), torch.zeros(8, 1), r"gave shape \[8\] for targets of shape \[8, 1\]"),
        ({"a": torch.zeros(8, 1)}, {"a": torch.zeros(8, 2)}, r"\{a: \[8, 1\]\} for targets of shape \{a: \[8, 2\]\}"),
        ({"a": torch.zeros(8, 1)}, {"a": torch.zeros(8, 1), "b": torch.zeros(8)}, r"b: \[8\]"),
        ({"a": torch.zeros(8, 1)}, torch.zeros(8, 1), r"a: \[8, 1\]"),
    ],
)
def test_dirac_refuses_what_would_be_broadcast(said, target, match):
    with pytest.raises(InvalidInput, match=match):
        Dirac(said).loss(target)


@pytest.mark.parametrize("empty", [torch.zeros(0, 2), {"a": torch.zeros(0, 2, 3), "b": torch.zeros(0)}])
def test_dirac_scores_no_rows(empty):
    assert Dirac(empty).loss(empty).shape == (0,)


def test_dirac_is_scored_in_full_precision():
    near = torch.full((1, 2), 1.0, dtype=torch.bfloat16)
    assert Dirac(near).loss(near).dtype == torch.float32
