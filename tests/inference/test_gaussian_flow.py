"""The closed-form flow of Gaussian data against the oracle of one Gaussian, whose code shares nothing with it."""

import pytest
import torch

from pushforward.core import FlowMap, Incompatible, InvalidInput
from pushforward.inference import GaussianFlow
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian, CondOT, Cosine, VarianceExploding, VariancePreserving
from pushforward.solvers import RK4, solve
from pushforward.spaces import Euclidean, StudentT

PATHS = {
    "condot": Affine(CondOT()),
    "cosine": Affine(Cosine()),
    "vp": Affine(VariancePreserving()),
    "ve": Affine(VarianceExploding()),
}
paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
MEAN, COVARIANCE = torch.tensor([0.7, -1.2]).double(), torch.tensor([[0.5, 0.2], [0.2, 0.3]]).double()


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def one(path):
    return GaussianMixture(MEAN[None], COVARIANCE[None]).along(path), GaussianFlow.from_moments(MEAN, COVARIANCE, path)


def points(n=20):
    x = 2 * torch.randn(n, 2, generator=gen(), dtype=torch.float64)
    s, t = 0.02 + 0.96 * torch.rand(2, n, generator=gen(1), dtype=torch.float64)
    return x, s, t


@paths
def test_all_answers_are_the_oracles(path):
    (exact, flow), (x, s, t) = one(path), points()
    assert isinstance(flow, FlowMap)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    close(flow(x, s, t), exact.flow_map(x, s, t))
    close(flow(x, 0.0, 1.0), exact.flow_map(x, 0.0, 1.0))
    close(flow.velocity(x, t), exact(x, t))
    close(flow.endpoint(x, t), exact.endpoint(x, t))
    close(flow.score(x, t), exact.score(x, t))


@paths
def test_maps_compose_and_draws_come_from_their_noise(path):
    (_, flow), (x, s, t) = one(path), points()
    middle = torch.rand(len(x), generator=gen(2), dtype=torch.float64)
    torch.testing.assert_close(flow(flow(x, s, middle), middle, t), flow(x, s, t), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(flow(flow.draw(x, s), s, t), flow.draw(x, t), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(flow.noise(flow.draw(x, t), t), x, rtol=1e-10, atol=1e-10)


def test_from_nothing_but_noise_a_draw_is_where_the_flow_goes():
    (_, flow), (x, _, t) = one(PATHS["condot"]), points()
    torch.testing.assert_close(flow.draw(x, t), flow(x, 0.0, t), rtol=1e-12, atol=1e-12)


def test_the_moments_are_those_of_the_rows():
    rows = torch.randn(500, 2, 3, generator=gen()) * torch.tensor([0.1, 1.0, 3.0]) + 1
    flow = GaussianFlow.of(rows, PATHS["condot"])
    x = flow(torch.randn(40, 2, 3, generator=gen(1)), 0.0, 1.0)
    assert x.shape == (40, 2, 3)
    assert x.dtype == torch.float32
    m, S = rows.flatten(1).mean(0), torch.cov(rows.flatten(1).mT, correction=0)
    again = GaussianFlow.from_moments(m.reshape(2, 3), S, PATHS["condot"])
    torch.testing.assert_close(x, again(torch.randn(40, 2, 3, generator=gen(1)), 0.0, 1.0), rtol=1e-4, atol=1e-4)
    whitened = GaussianFlow.of(rows, PATHS["condot"]).noise(rows, 1.0).flatten(1)  # C_1^-1/2 of the rows themselves
    torch.testing.assert_close(torch.cov(whitened.mT, correction=0), torch.eye(6), rtol=0, atol=1e-4)


@pytest.mark.parametrize("rank", [2, 5])
def test_directions_outside_the_axes_have_no_variance(rank):
    """Against the full formula of the covariance cut by hand: the oracle with its least variances almost 0."""
    factor = torch.randn(6, 6, generator=gen(), dtype=torch.float64)
    S, m = factor @ factor.mT, torch.randn(6, generator=gen(1), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(S)
    values[: 6 - rank] = 1e-14
    cut = GaussianMixture(m[None], (vectors * values @ vectors.mT)[None]).along(PATHS["condot"])
    flow = GaussianFlow.from_moments(m, S, PATHS["condot"], rank=rank)
    assert flow.axes.shape == (1, rank, 6)
    x, (s, t) = torch.randn(9, 6, generator=gen(2), dtype=torch.float64), torch.tensor([0.2, 0.9]).double()
    for a, b in ((s, t), (t, s), (torch.zeros(()).double(), s)):
        torch.testing.assert_close(flow(x, a, b), cut.flow_map(x, a, b), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(flow.velocity(x, t), cut(x, t), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(flow.endpoint(x, t), cut.endpoint(x, t), rtol=1e-8, atol=1e-8)
    end = flow(x, 0.0, 1.0)
    assert (torch.linalg.svdvals(end - m) > 1e-9).sum() == rank  # the data's law is flat
    for back in (flow(end, 1.0, 1.0), flow.draw(flow.noise(end, 1.0), 1.0)):
        torch.testing.assert_close(back, end, rtol=1e-12, atol=1e-12)
    assert flow.velocity(end, 1.0).isfinite().all()


def test_fewer_rows_than_coordinates():
    rows = torch.randn(5, 40, generator=gen(), dtype=torch.float64)
    flow, full = GaussianFlow.of(rows, PATHS["cosine"]), torch.cov(rows.mT, correction=0)
    assert flow.axes.shape == (1, 5, 40)
    dense = GaussianFlow.from_moments(rows.mean(0), full, PATHS["cosine"])
    x = torch.randn(3, 40, generator=gen(1), dtype=torch.float64)
    torch.testing.assert_close(flow(x, 0.1, 0.9), dense(x, 0.1, 0.9), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow.velocity(x, 0.5), dense.velocity(x, 0.5), rtol=1e-9, atol=1e-9)


def test_every_label_has_its_own_gaussian_and_no_label_that_of_all():
    labels = torch.arange(600) % 3
    rows = torch.randn(600, 2, generator=gen(), dtype=torch.float64) * (1 + labels[:, None]) + 4 * labels[:, None]
    flow, x = GaussianFlow.of(rows, PATHS["condot"], labels=labels), torch.randn(8, 2, generator=gen(1)).double()
    asked = torch.tensor([0, 1, 2, -1, 2, 1, 0, -1])
    found = flow(x, 0.1, 0.8, asked)
    for label in (-1, 0, 1, 2):
        own = GaussianFlow.of(rows if label < 0 else rows[labels == label], PATHS["condot"])
        mine = asked == label
        torch.testing.assert_close(found[mine], own(x[mine], 0.1, 0.8), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(flow(x, 0.1, 0.8, torch.full((8,), label)), own(x, 0.1, 0.8))
    assert torch.equal(flow(x, 0.1, 0.8), flow(x, 0.1, 0.8, torch.full((8,), -1)))
    assert torch.equal(flow(x, 0.1, 0.8), flow(x, 0.1, 0.8, torch.ones(8, 5)))


def test_a_label_of_few_rows_takes_nothing_from_the_others():
    rows, labels = torch.randn(60, 6, generator=gen(), dtype=torch.float64), torch.ones(60, dtype=torch.int64)
    labels[:3] = 0
    flow, x = GaussianFlow.of(rows, PATHS["condot"], labels=labels), torch.randn(4, 6, generator=gen(1)).double()
    for label, own in ((-1, rows), (0, rows[:3]), (1, rows[3:])):
        alone = GaussianFlow.from_moments(own.mean(0), torch.cov(own.mT, correction=0), PATHS["condot"])
        told = torch.full((4,), label)
        torch.testing.assert_close(flow(x, 0.1, 0.8, told), alone(x, 0.1, 0.8), rtol=1e-6, atol=1e-6)


def test_the_velocity_is_the_derivative_of_the_map():
    _, flow = one(PATHS["vp"])
    x, _, _ = points(6)
    grid = torch.linspace(0, 0.9, 201, dtype=torch.float64)
    arrived = solve(flow.velocity, x, grid, solver=RK4()).x
    torch.testing.assert_close(arrived, flow(x, 0.0, 0.9), rtol=0, atol=1e-6)  # h^4 = 4e-10, times rates of 10^2


def test_precision_device_and_gradients_follow():
    _, flow = one(PATHS["condot"])
    x, s, t = points(4)
    assert flow(x.float(), 0.1, 0.5).dtype == torch.float32
    assert flow.float()(x, 0.1, 0.5).dtype == torch.float64  # worked in float32
    leaf = x.clone().requires_grad_()
    GaussianFlow.from_moments(MEAN, COVARIANCE, PATHS["condot"], rank=1)(leaf, s, t).sum().backward()
    assert leaf.grad.isfinite().all()
    assert flow.to("meta")(x.to("meta"), s.to("meta"), t.to("meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda rows: GaussianFlow.of(rows, Affine(latent=Brownian(1.0))), Incompatible, "with latent noise"),
        (
            lambda rows: GaussianFlow.of(rows, Affine(space=Euclidean(StudentT(3.0)))),
            Incompatible,
            "starts from normal noise",
        ),
        (lambda rows: GaussianFlow.of(rows, PATHS["condot"], rank=3), InvalidInput, "rank is 3, expected 1 to 2"),
        (
            lambda rows: GaussianFlow.of(rows, PATHS["condot"], labels=torch.tensor([0, 2, 2])),
            InvalidInput,
            "label 1 has no rows",
        ),
        (
            lambda rows: GaussianFlow.of(rows, PATHS["condot"])(rows[:, :1], 0.0, 1.0),
            InvalidInput,
            r"x is \[3, 1\], these moments are those of \[B, 2\]",
        ),
        (
            lambda rows: GaussianFlow.of(rows, PATHS["condot"], labels=torch.tensor([0, 1, 1]))(
                rows, 0.0, 1.0, torch.tensor([0])
            ),
            InvalidInput,
            r"cond has shape \[1\]",
        ),
    ],
)
def test_mistakes_are_told(make, error, message):
    with pytest.raises(error, match=message):
        make(torch.randn(3, 2, generator=gen()))
