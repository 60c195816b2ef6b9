"""What every distance between sample sets obeys. A new one adds a line to DISTANCES."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward import metrics
from pushforward.core import InvalidInput

# name -> (distance of two sets, power that makes it a metric, is a function of the empirical laws, rotation invariant)
DISTANCES = {
    "wasserstein_1": (lambda x, y: metrics.wasserstein(x, y, p=1), 1, True, True),
    "wasserstein_2": (metrics.wasserstein, 1, True, True),
    "sliced_wasserstein_1": (lambda x, y: metrics.sliced_wasserstein(x, y, p=1), 1, True, False),
    "sliced_wasserstein_2": (metrics.sliced_wasserstein, 1, True, False),
    "energy_distance": (metrics.energy_distance, 0.5, True, True),
    "frechet": (metrics.frechet, 0.5, False, True),
}
MMD = {"mmd": (lambda x, y: metrics.mmd(x, y, bandwidth=(0.5, 2.0)), None, False, True)}  # unbiased: not a metric
TWO_SETS = {name: entry[0] for name, entry in (DISTANCES | MMD).items()} | {
    "mmd_median": metrics.mmd,
    "precision_recall_coverage": lambda x, y: metrics.precision_recall_coverage(x, y, k=1).density,
    "copies": lambda x, y: metrics.copies(x, y, y),
    "c2st": lambda x, y: metrics.c2st(x, y, classifier=_logistic(), folds=2),
}


def _logistic():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def _sets(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(torch.from_numpy(rng.normal(i, 1 + i / 2, (n, 2))) for i, n in enumerate(sizes))


@pytest.mark.parametrize("name", DISTANCES)
@given(n=st.integers(2, 12), seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_identity(name, n, seed):
    (x,) = _sets(n, seed=seed)
    shuffled = x[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
    # rounding of float64 under a root, where the metric has one
    assert float(DISTANCES[name][0](x, shuffled)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", DISTANCES)
@given(n=st.integers(2, 8), m=st.integers(2, 8), k=st.integers(2, 8), seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_triangle_and_positive(name, n, m, k, seed):
    distance, power, *_ = DISTANCES[name]
    x, y, z = _sets(n, m, k, seed=seed)
    xy, yz, xz = (float(distance(u, v)) ** power for u, v in ((x, y), (y, z), (x, z)))
    assert min(xy, yz, xz) > 0
    assert xz <= (xy + yz) * (1 + 1e-9)


@pytest.mark.parametrize("name", DISTANCES | MMD)
@pytest.mark.parametrize("sizes", [(9, 9), (9, 6)])
def test_invariances(name, sizes):
    distance, _, of_laws, rotates = (DISTANCES | MMD)[name]
    x, y = _sets(*sizes)
    value = float(distance(x, y))
    assert float(distance(y, x)) == pytest.approx(value, rel=1e-12)
    assert float(distance(x.flip(0), y)) == pytest.approx(value, rel=1e-12)
    assert float(distance(x - 5.0, y - 5.0)) == pytest.approx(value, rel=1e-10)
    if of_laws:  # every row twice is the same law
        assert float(distance(x.repeat(2, 1), y)) == pytest.approx(value, rel=1e-12)
    if rotates:
        turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=x.dtype)
        assert float(distance(x @ turn, y @ turn)) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    "name", ["wasserstein_1", "wasserstein_2", "sliced_wasserstein_2", "frechet", "energy_distance"]
)
def test_homogeneous(name):
    distance = DISTANCES[name][0]
    x, y = _sets(9, 6)
    degree = 2 if name == "frechet" else 1
    for scale in (1e-6, 1e6):  # solvers with absolute tolerances fail here
        assert float(distance(scale * x, scale * y)) == pytest.approx(scale**degree * float(distance(x, y)), rel=1e-9)


@pytest.mark.parametrize("name", TWO_SETS)
def test_arrays_axes_and_dtypes(name):
    metric = TWO_SETS[name]
    x, y = _sets(8, 8)
    value = float(metric(x, y))
    assert float(metric(x.numpy(), y.numpy())) == value
    assert float(metric(x[:, None, :, None], y[:, None, :, None])) == value
    assert float(metric(x.numpy()[::-1], y.flip(0))) == pytest.approx(value, rel=1e-12)  # negative strides
    assert float(metric(x.float(), y)) == pytest.approx(value, rel=1e-5)
    whole = x.round()
    assert float(metric(whole.to(torch.uint8), whole.to(torch.uint8))) == pytest.approx(
        float(metric(whole.to(torch.uint8).float(), whole.to(torch.uint8).float())), abs=1e-6
    )
    assert float(metric(whole.bfloat16(), whole.bfloat16())) == pytest.approx(
        float(metric(whole.float(), whole.float()))
    )


@pytest.mark.parametrize("name", TWO_SETS)
def test_refusals(name):
    metric = TWO_SETS[name]
    x, y = _sets(8, 8)
    with pytest.raises(InvalidInput, match=r"shape \[3\], expected \[2\]|shape \[2\], expected \[3\]"):
        metric(x, torch.zeros(8, 3, dtype=x.dtype))
    with pytest.raises(InvalidInput, match=r"shape \[0, 2\], expected \[N, \*E\]"):
        metric(x[:0], y)
    broken = y.clone()
    broken[[3, 5], 1] = torch.tensor([torch.nan, torch.inf], dtype=y.dtype)
    with pytest.raises(InvalidInput, match="in 2 of 8 rows, first in row 3"):
        metric(x, broken)


@pytest.mark.parametrize("name", ["sliced_wasserstein_2", "sliced_wasserstein_1", "energy_distance", "mmd"])
@pytest.mark.parametrize("sizes", [(5, 5), (5, 3)])
def test_gradients(name, sizes):
    distance = (DISTANCES | MMD)[name][0]
    x, y = (z.requires_grad_() for z in _sets(*sizes))
    assert torch.autograd.gradcheck(distance, (x, y))


@pytest.mark.parametrize("name", ["sliced_wasserstein_2", "sliced_wasserstein_1", "energy_distance", "mmd"])
def test_gradients_at_equal_sets_are_finite(name):
    x, y = (_sets(6)[0].requires_grad_() for _ in range(2))
    (DISTANCES | MMD)[name][0](x, y).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", ["energy_distance", "mmd", "precision_recall_coverage", "copies"])
@pytest.mark.parametrize("d", [2, 20])
def test_blocks_change_nothing(name, d, gen, request):
    x, y = (
        torch.randn(33, d, generator=gen, dtype=torch.float64),
        torch.randn(21, d, generator=gen, dtype=torch.float64),
    )

    def evaluate():
        u = x.clone().requires_grad_()
        value = torch.as_tensor(TWO_SETS[name](u, y))
        return value.detach(), torch.autograd.grad(value, u)[0] if value.requires_grad else value

    whole, slope = evaluate()
    request.getfixturevalue("small_blocks")
    value, gradient = evaluate()
    # blocks round their matrix products differently: sqrt(eps) |x| on the diagonal, 1e-7 here
    torch.testing.assert_close(value, whole, rtol=0, atol=1e-7)
    torch.testing.assert_close(gradient, slope, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["sliced_wasserstein_1", "sliced_wasserstein_2"])
@pytest.mark.parametrize("m", [40_000, 30_001])
def test_float32_adds_up_many_terms(name, m, gen):
    distance = DISTANCES[name][0]
    x, y = torch.randn(40_000, 2, generator=gen), torch.randn(m, 2, generator=gen) + 1
    # errors of single terms, 2^-24 of coordinates a few times the distance, are independent and average out
    assert float(distance(x, y)) == pytest.approx(float(distance(x.double(), y.double())), rel=1e-6)


def test_float32_has_no_diagonal(gen):
    # if rounding stood for |x_i - x_i| = 0, the value would be off by sqrt(eps) |x| / n, 2e-3 of itself here
    x, y = torch.randn(2, 100, 60, generator=gen)
    exact = float(metrics.energy_distance(x.double(), y.double()))
    assert float(metrics.energy_distance(x, y)) == pytest.approx(exact, rel=1e-5)


def test_far_from_the_origin(gen):
    # centring before the matrix product: without it float32 at offset 1000 keeps no digit of distances of order 6
    x, y = torch.randn(2, 50, 20, generator=gen).double()
    near = float(metrics.energy_distance(x, y))
    far = float(metrics.energy_distance((x + 1000).float(), (y + 1000).float()))
    # rounding of the inputs themselves: 1000 * 2^-24 in every entry, at random signs averaged over 20 entries
    assert far == pytest.approx(near, abs=4 * 1000 * 2**-24)
