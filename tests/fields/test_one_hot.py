"""Classes as one-hot vectors: the posterior that is exact, where it arrives, and what counts nothing."""

import pytest
import torch
from scipy import stats

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.fields import Endpoint, NetEstimator, NetField, OneHot, OneHotLaw
from pushforward.objectives import FlowMatching
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian, Cosine, Geodesic
from pushforward.solvers import Euler, solve
from pushforward.spaces import Sphere

F64 = torch.float64
P = torch.tensor([0.6, 0.3, 0.1], dtype=F64)
close = torch.testing.assert_close


class Exact(torch.nn.Module):
    """log p_k + t x_k / (1 - t)^2: all one-hot vectors have one length, so only the inner product is left."""

    def forward(self, x, t, cond=None):
        return P.log() + (t / (1 - t).square()).reshape(-1, *[1] * (x.ndim - 1)) * x


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_velocity_of_the_exact_posterior_is_that_of_narrow_normals_at_the_corners():
    """Of width 1e-5, whose square is 1e-10 beside sigma^2 >= 0.01."""
    x, t = torch.randn(50, 3, generator=gen(), dtype=F64), 0.9 * torch.rand(50, generator=gen(), dtype=F64)
    corners = GaussianMixture(torch.eye(3, dtype=F64), 1e-10 * torch.eye(3, dtype=F64).repeat(3, 1, 1), P)
    path = Affine()
    field = NetField(Exact(), OneHot(), path)
    close(field(x, t), corners.along(path)(x, t), rtol=1e-6, atol=1e-6)
    ends = NetEstimator(field)(x, t)
    close(ends.x1.sum(1), torch.ones(50, dtype=F64))
    close(t[:, None] * ends.x1 + (1 - t)[:, None] * ends.x0, x)
    score = (t[:, None] * ends.x1 - x) / (1 - t[:, None]).square()
    close(score, corners.along(path).score(x, t), rtol=1e-5, atol=1e-5)


def test_the_exact_posterior_arrives_at_the_law_of_the_classes():
    """Chi-squared at the level of 1e-3, after 400 steps of Euler whose bias is below what 4,000 draws can see."""
    field = NetField(Exact(), OneHot(), Affine())
    low, high = field.span
    x = torch.randn(4000, 3, generator=gen(), dtype=F64)
    x = solve(field, x, torch.linspace(low, high, 401, dtype=F64), solver=Euler()).x
    end = NetEstimator(field)(x, torch.full((4000,), high, dtype=F64)).x1
    assert (end.amax(1) > 0.99).double().mean() > 0.99
    assert stats.chisquare(end.argmax(1).bincount(minlength=3).numpy(), (4000 * P).numpy()).pvalue > 1e-3


def test_the_exact_posterior_is_stationary():
    """The gradient of the mean loss in a shift of the logits is 0 up to its Monte-Carlo error, and not elsewhere."""
    x1 = torch.nn.functional.one_hot(torch.multinomial(P, 20_000, True, generator=gen()), 3).double()[:, None]
    pairs = Pairs((torch.randn(20_000, 1, 3, generator=gen(1), dtype=F64), x1))
    for off, still in ((0.0, True), (0.5, False)):
        shift = torch.tensor([off, 0.0, 0.0], dtype=F64, requires_grad=True)
        net = lambda x, t, cond, shift=shift: Exact()(x, t) + shift
        FlowMatching(head=OneHot())(net, pairs, generator=gen(2)).value.backward()
        assert shift.grad is not None
        assert (float(shift.grad.abs().max()) < 5 * 0.5 / 20_000**0.5) == still


def test_the_loss_is_the_cross_entropy_of_the_variables_that_are_there():
    logits = {"a": torch.randn(2, 3, 4, generator=gen()), "b": torch.randn(2, 5, generator=gen())}
    classes = torch.tensor([[1, 3, 0], [2, 2, 2]])
    a = torch.nn.functional.one_hot(classes, 4).float()
    a[0, 2] = 0  # padding
    b = torch.nn.functional.one_hot(torch.tensor([4, 0]), 5).float()
    told = OneHotLaw(logits).loss({"b": b, "a": a})
    entropy = torch.nn.functional.cross_entropy
    first = entropy(logits["a"][0, :2], classes[0, :2], reduction="sum") + entropy(logits["b"][0], torch.tensor(4))
    second = entropy(logits["a"][1], classes[1], reduction="sum") + entropy(logits["b"][1], torch.tensor(0))
    close(told, torch.stack([first / 3, second / 4]))
    mean = OneHotLaw(logits).mean
    assert isinstance(mean, dict)
    close(mean["a"].sum(-1), torch.ones(2, 3))


def test_it_is_the_endpoint_head_of_its_probabilities():
    x, t = torch.randn(4, 2, 3, generator=gen()), torch.rand(4, generator=gen())
    for path in (Affine(), Affine(Cosine())):
        head, other = OneHot(), Endpoint()
        said = head.law(x.flip(0), x, t)
        close(head.velocity(path, said, x, t), other.velocity(path, other.law(x.flip(0).softmax(-1), x, t), x, t))
        assert head.span(path) == other.span(path)


def test_it_is_refused_where_ends_mean_nothing():
    for path in (Geodesic(Sphere()), Affine(latent=Brownian())):
        with pytest.raises(Incompatible):
            OneHot().check(path)
    with pytest.raises(InvalidInput, match="one logit for each entry"):
        OneHotLaw(torch.zeros(2, 3)).loss(torch.zeros(2, 4))
