"""The drift against its definition, the Fokker-Planck equation, and what is refused."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, span_of
from pushforward.fields import FlowSDE, NetField, Velocity
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT, Cosine
from pushforward.paths.latents import Brownian
from pushforward.spaces import Euclidean, StudentT

PATHS = {"condot": Affine(CondOT()), "cosine": Affine(Cosine())}


def points(n=5):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 2, generator=generator, dtype=torch.float64), torch.linspace(0.1, 0.9, n).double()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_score_of_the_velocity_is_that_of_the_oracle(path):
    exact, (x, t) = reference_mixture().along(path), points()
    direction = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]).double()
    asked = FlowSDE(exact, eps=lambda t: 1 + t)(x, t, direction=direction)
    read = FlowSDE(exact, eps=lambda t: 1 + t, score=path)(x, t, direction=direction)
    given = FlowSDE(lambda x, t, cond: exact(x, t), eps=lambda t: 1 + t, score=exact.score)(x, t, direction=direction)
    torch.testing.assert_close(read, asked, rtol=1e-10, atol=1e-10)
    assert torch.equal(given, asked)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("path", [*PATHS.values(), Affine(latent=Brownian(0.5))], ids=[*PATHS, "latent"])
def test_the_fokker_planck_equation_holds(path, direction):
    """d/dt p = -div(b p) + direction eps Laplace p, divided by p, with every derivative taken by autograd."""
    exact, (x, t) = reference_mixture().along(path), points()
    sde = FlowSDE(exact, eps=0.7)
    log_p = lambda x, t: exact.log_prob(x[None], t[None])[0]
    drift = lambda x, t: sde(x[None], t[None], direction=torch.full((1,), direction, dtype=x.dtype))[0]
    for y, r in zip(x, t, strict=True):
        score, d_time = torch.func.grad(log_p, argnums=(0, 1))(y, r)
        divergence = torch.func.jacrev(drift)(y, r).trace()
        laplace = torch.func.jacrev(torch.func.grad(log_p))(y, r).trace() + score @ score
        flux = divergence + drift(y, r) @ score
        assert abs(d_time + flux - direction * sde.level(r[None])[0] * laplace) < 1e-9 * (1 + abs(laplace))


def test_without_a_direction_it_is_the_velocity():
    exact, (x, t) = reference_mixture().along(Affine()), points()
    sde = FlowSDE(exact, eps=3.0)
    assert torch.equal(sde(x, t), exact(x, t))
    torch.testing.assert_close(sde.diffusion(t), torch.full_like(t, 6**0.5))


def test_where_there_is_no_noise_the_score_does_not_count():
    x, t = torch.ones(2, 1), torch.tensor([0.5, 1.0])
    nowhere = lambda x, t, cond: x / (1 - t)[:, None]
    sde = FlowSDE(lambda x, t, cond: -x, eps=lambda t: (1 - t) ** 2, score=nowhere)
    assert torch.equal(sde(x, t, direction=torch.ones(2)), torch.tensor([[-0.5], [-1.0]]))
    assert torch.equal(FlowSDE(lambda x, t, cond: -x, eps=0, score=nowhere)(x, t, direction=torch.ones(2)), -x)


def test_a_net_is_followed_between_its_ends():
    net = NetField(torch.nn.Identity(), Velocity(), PATHS["condot"])
    assert span_of(net) == (0.0, 1.0)
    assert span_of(FlowSDE(net, score=PATHS["condot"])) == (0.0, 0.999)
    assert span_of(FlowSDE(net, score=Affine(CondOT(sigma_min=0.1)))) == (0.0, 1.0)


def test_conditions_reach_the_velocity_and_the_score():
    x, t, cond = torch.ones(2, 1), torch.zeros(2), torch.tensor([1.0, 2.0])
    sde = FlowSDE(lambda x, t, c: c[:, None] * x, eps=1.0, score=lambda x, t, c: 10 * c[:, None] * x)
    assert torch.equal(sde(x, t, cond, direction=torch.ones(2)), torch.tensor([[11.0], [22.0]]))


@pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf")])
def test_refuses_noise_out_of_range(eps):
    with pytest.raises(InvalidInput, match=r"eps=.*expected a number >= 0"):
        FlowSDE(reference_mixture().along(Affine()), eps=eps)


def test_refuses_what_has_no_score():
    with pytest.raises(Incompatible, match=r"FlowSDE needs a score, which function does not have; give score="):
        FlowSDE(lambda x, t, cond: x)
    with pytest.raises(Incompatible, match="with latent noise"):
        FlowSDE(lambda x, t, cond: x, score=Affine(latent=Brownian(1.0)))
    with pytest.raises(Incompatible, match="for normal noise"):
        FlowSDE(lambda x, t, cond: x, score=Affine(space=Euclidean(StudentT(3.0))))


def test_refuses_noise_of_another_shape():
    sde = FlowSDE(reference_mixture().along(Affine()), eps=lambda t: t[:, None])
    x, t = points()
    with pytest.raises(InvalidInput, match=r"eps gave \[5, 1\] for times of shape \[5\]"):
        sde(x, t, direction=torch.ones_like(t))
