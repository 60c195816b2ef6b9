"""Sources made from the data: the joint Gaussian, and in-painting."""

import math

import pytest
import torch

from pushforward.core import InvalidInput, Point, rand, randn_like
from pushforward.couplings import DataDependent
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian


def test_a_linear_map_gives_the_joint_gaussian(gen):
    # x1 ~ N(mu, S), x0 = A x1 + s z: mean A mu, Cov(x0) = A S A^T + s^2 I, Cov(x0, x1) = A S
    A, mu, s, rows = torch.tensor([[0.5, -1.0], [0.0, 0.8]]).double(), torch.tensor([1.0, -2.0]).double(), 0.3, 40_000
    factor = torch.tensor([[1.0, 0.0], [0.4, 0.6]]).double()
    x1 = mu + torch.randn(rows, 2, generator=gen).double() @ factor.T
    coupling = DataDependent(lambda x1, cond, *, generator=None: x1 @ A.T + s * randn_like(x1, generator=generator))
    pairs = coupling(torch.zeros_like(x1), x1, generator=gen)
    S = factor @ factor.T
    joint = torch.cat([pairs.x0 - A @ mu, pairs.x1 - mu], 1)
    exact = torch.cat([torch.cat([A @ S @ A.T + s**2 * torch.eye(2), A @ S], 1), torch.cat([(A @ S).T, S], 1)])
    products = joint[:, :, None] * joint[:, None]
    assert ((products.mean(0) - exact).abs() < 4 * products.std(0) / math.sqrt(rows)).all()
    assert (joint.mean(0).abs() < 4 * joint.std(0) / math.sqrt(rows)).all()


@pytest.mark.parametrize("path", [Affine(), Affine(latent=Brownian(0.4))], ids=["plain", "latent"])
@pytest.mark.parametrize("told", [False, True], ids=["marginal", "given what is known"])
def test_the_velocity_of_super_resolution_is_that_of_the_joint_gaussian(gen, path, told):
    """x0 = U D x1 + s z from the means D x1 of pairs: E[(dx_t - v) f] = 0 for every f, within 4 standard errors.

    v is the oracle's, for x0 and x1 jointly normal with Cov(x0, x1) = A S, A = U D; and for a network that is told
    xi = D x1, of whom the ends are independent: x0 ~ N(U xi, s^2 I) and x1 ~ N(mu + S D^T (D S D^T)^-1 (xi - D mu),
    S - S D^T (D S D^T)^-1 D S).
    """
    rows, s, eye = 40_000, 0.3, torch.eye(4).double()
    down = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]).double()
    up = 2 * down.T
    factor = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.6, 0.7, 0.0, 0.0], [0.3, -0.4, 0.8, 0.0], [0.2, 0.0, 0.5, 0.4]])
    factor, mu = factor.double(), torch.tensor([1.0, -1.0, 0.5, 2.0]).double()
    S, A = factor @ factor.T, up @ down
    coupling = DataDependent(
        lambda x1, cond, *, generator=None: cond @ up.T + s * randn_like(x1, generator=generator),
        lambda x1, cond, *, generator=None: x1 @ down.T,
    )
    x1 = mu + torch.randn(rows, 4, generator=gen).double() @ factor.T
    pairs = coupling(torch.zeros_like(x1), x1, generator=gen)
    t = 0.02 + 0.96 * torch.rand(rows, generator=gen).double()
    point = path.sample(pairs, t, generator=gen)
    gain = S @ down.T @ torch.linalg.inv(down @ S @ down.T)
    if told:
        rest = S - gain @ down @ S + 1e-10 * eye  # of rank 2, and the oracle wants the full one
        ends = GaussianMixture(0 * mu[None], rest[None], source_covariances=(s**2 * eye)[None])
        mean0, mean1 = pairs.cond @ up.T, mu + (pairs.cond - mu @ down.T) @ gain.T
    else:
        source = A @ S @ A.T + s**2 * eye
        ends = GaussianMixture(0 * mu[None], S[None], source_covariances=source[None], cross=(A @ S)[None])
        mean0, mean1 = A @ mu, mu
    # a Gaussian's field moves with its means
    shift = (1 - t[:, None]) * mean0 + t[:, None] * mean1
    residual = path.velocity(point) - (ends.along(path)(point.x - shift, t) + mean1 - mean0)
    seen = torch.cat([torch.ones_like(t)[:, None], t[:, None], point.x, (2 * point.x).sin()], 1)
    if told:
        seen = torch.cat([seen, pairs.cond], 1)
    products = (residual[:, :, None] * seen[:, None]).flatten(1)
    assert (products.mean(0).abs() < 4 * products.std(0) / math.sqrt(rows)).all()


def mask(x1, cond, *, generator=None):
    return (rand(x1.shape, x1, generator=generator) < 0.5).to(x1)


def hidden(x1, cond, *, generator=None):
    return torch.where(cond > 0, x1, randn_like(x1, generator=generator))


def test_what_is_known_does_not_move(gen):
    x1 = torch.randn(64, 6, generator=gen)
    first, second = (
        DataDependent(hidden, mask)(torch.zeros_like(x1), x1, generator=torch.Generator().manual_seed(k))
        for k in (0, 0)
    )
    assert first.x0.equal(second.x0)
    assert first.cond.equal(second.cond)  # the drawn mask is what the model is told
    known = first.cond > 0
    assert 0.3 < known.float().mean() < 0.7
    velocity = Affine().velocity(Point(x1, torch.rand(64, generator=gen), first))
    assert velocity[known].eq(0).all()
    assert velocity[~known].ne(0).all()


def test_the_condition_that_came_is_kept(gen):
    x1, label = torch.randn(5, 2, generator=gen), torch.arange(5)
    pairs = DataDependent(lambda x1, cond, *, generator=None: x1 * cond[:, None])(torch.zeros(5, 2), x1, label)
    assert pairs.cond.equal(label)
    assert pairs.x0.equal(x1 * label[:, None])


def test_refuses_other_shapes(gen):
    x = torch.zeros(4, 2)
    with pytest.raises(InvalidInput, match=r"source gave x0 of shape \[4, 1\], expected that of x1, \[4, 2\]"):
        DataDependent(lambda x1, cond, *, generator=None: x1[:, :1])(x, x)
    with pytest.raises(InvalidInput, match="one for every row"):
        DataDependent(hidden, lambda x1, cond, *, generator=None: torch.zeros(3, 2))(x, x)
