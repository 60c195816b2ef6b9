"""Laws over all transforms: the inverse undoes, the log-determinant is autograd's, what is saved is enough."""

import json
import math

import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput, generator_from
from pushforward.data import (
    AffineMap,
    Bounded,
    Clip,
    Compose,
    Dequantise,
    Identity,
    Logit,
    MirrorBall,
    MirrorBox,
    MirrorPolytope,
    Positive,
    Standardise,
    Transform,
    describe_transform,
    rebuild_transform,
)

SHAPES = [(5,), (2, 2, 3)]


def cut(d):
    """A box around [0, 1]^d, with its far corner cut off."""
    eye = torch.eye(d, dtype=torch.float64)
    faces = torch.cat([eye, -eye, torch.ones(1, d, dtype=torch.float64)])
    return faces, torch.tensor([1.1] * d + [0.2] * d + [d + 0.05], dtype=torch.float64)


def standardise(shape):
    return Standardise.fit(3 + 2 * torch.rand(50, *shape, dtype=torch.float64, generator=generator_from(0)))


# every member takes [0, 1]; whole numbers have their own catalogue below
SMOOTH = {
    "identity": lambda shape: Identity(),
    "affine": lambda shape: AffineMap(scale=-2.5, shift=0.3),
    "clip": lambda shape: Clip(0.0, 1.0),
    "standardise": standardise,
    "logit": lambda shape: Logit(eps=1e-3),
    "log": lambda shape: Positive(eps=0.1),
    "softplus": lambda shape: Positive(softplus=True, eps=0.1),
    "bounded": lambda shape: Bounded(-0.5, 1.2, eps=1e-3),
    "bounded, by coordinate": lambda shape: Bounded(-torch.rand(shape).double(), torch.full(shape, 1.5).double()),
    "mirror of a box": lambda shape: MirrorBox(-0.1, 1.05),
    "mirror of a box, by coordinate": lambda shape: MirrorBox(-0.1, torch.full(shape, 1.5).double(), power=0.7),
    "mirror of a box, log barrier": lambda shape: MirrorBox(-0.1, 1.2, power=1.0),
    "mirror of a ball": lambda shape: MirrorBall(2.5),
    "mirror of a ball, log barrier": lambda shape: MirrorBall(2.5, power=1.0),
    "mirror of a polytope": lambda shape: MirrorPolytope(*cut(shape[-1])),
    "mirror of a polytope, log barrier": lambda shape: MirrorPolytope(*cut(shape[-1]), power=1.0),
    "compose": lambda shape: Compose([Logit(eps=0.05), standardise(shape), Compose([AffineMap(0.1), Identity()])]),
}
LEVELS = 16
WHOLE = {
    "dequantise": lambda shape: Dequantise(LEVELS),
    "dequantise and logit": lambda shape: Compose([Dequantise(LEVELS), Logit(1e-2), standardise(shape)]),
}
ALL = SMOOTH | WHOLE


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.mark.parametrize("name", SMOOTH)
def test_inverse_undoes_forward_both_ways(name, shape):
    transform = SMOOTH[name](shape)
    assert isinstance(transform, Transform)
    x = torch.rand(7, *shape, dtype=torch.float64, generator=generator_from(1))
    y = transform.forward(x)
    # float64, and logit's derivative stays below 1e3: 1e-16 * 1e3 with room
    assert torch.allclose(transform.inverse(y), x, atol=1e-12)
    assert torch.allclose(transform.forward(transform.inverse(y)), y, atol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_log_det_is_that_of_the_jacobian(name, shape):
    transform = SMOOTH[name](shape)
    x = torch.rand(4, *shape, dtype=torch.float64, generator=generator_from(2))
    d = x[0].numel()
    rows = [torch.autograd.functional.jacobian(transform.forward, row[None]).reshape(d, d) for row in x]
    expected = torch.linalg.slogdet(torch.stack(rows)).logabsdet
    assert torch.allclose(transform.log_det(x), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_dtypes_and_rows_alone(name, shape, dtype):
    transform = nn.Module.to(ALL[name](shape), dtype)
    x = torch.randint(0, 2, (6, *shape), generator=generator_from(3)).to(dtype)
    y = transform.forward(x, generator=generator_from(4))
    assert (y.shape, y.dtype, transform.inverse(y).dtype) == (x.shape, dtype, dtype)
    log_det = transform.log_det(x, generator=generator_from(4))
    assert (log_det.shape, log_det.dtype) == ((6,), dtype)
    assert torch.equal(transform.forward(x, generator=generator_from(4)), y)
    # to rounding: vectorised functions may round the last numbers of a batch otherwise
    assert torch.allclose(transform.inverse(y)[:2], transform.inverse(y[:2]), rtol=0, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_row_does_not_see_its_neighbours(name, shape):
    transform = SMOOTH[name](shape)
    x = torch.rand(6, *shape, dtype=torch.float64, generator=generator_from(3))
    assert torch.equal(transform.forward(x)[:2], transform.forward(x[:2]))
    assert torch.equal(transform.log_det(x)[:2], transform.log_det(x[:2]))


@pytest.mark.parametrize("name", ALL)
def test_plain_data_and_state_dict_rebuild_it(name, shape):
    transform = ALL[name](shape)
    description = json.loads(json.dumps(describe_transform(transform)))
    again = rebuild_transform(description, transform.state_dict())
    y = torch.randn(5, *shape, dtype=torch.float64, generator=generator_from(5))
    assert torch.equal(again.inverse(y), transform.inverse(y))


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.uint8])
def test_whole_numbers_come_back(name, dtype, shape):
    transform = WHOLE[name](shape).float()
    x = torch.randint(0, LEVELS, (2000, *shape), generator=generator_from(6)).to(dtype)
    y = transform.forward(x, generator=generator_from(7))
    # logit and back moves y by rounding only: 1e-6 against cells of 1/16, so a slip has chance 2e-5 per coordinate
    slips = (transform.inverse(y).round() != x).sum()
    assert slips <= (0 if name == "dequantise" else 5)


@pytest.mark.parametrize("levels", [2, 3, 17, 256, 1000])
def test_dequantise_finds_every_cell_whatever_the_draw(levels):
    x = torch.arange(levels).repeat(500, 1)
    dequantise = Dequantise(levels)
    for seed in range(4):
        y = dequantise.forward(x, generator=generator_from(seed))
        assert torch.equal(dequantise.inverse(y).long(), x)
        assert 0 <= y.min() <= y.max() < 1


def test_dequantise_noise_is_uniform_in_the_cell():
    x = torch.full((1, 40_000), 3)
    u = Dequantise(8).forward(x, generator=generator_from(0)).flatten() * 8 - 3
    # Kolmogorov-Smirnov: chance of a distance above 1.95 / sqrt(n) is 1e-3
    gap = (u.sort().values - torch.linspace(0, 1, len(u))).abs().max()
    assert gap < 1.95 / math.sqrt(len(u))


def test_dequantised_density_bounds_the_probability_of_whole_numbers():
    # one coordinate, two values; p(y) = 2 y on [0, 1) gives P(0) = 1/4, P(1) = 3/4
    dequantise = Dequantise(2)
    x = torch.tensor([[0.0], [1.0]]).repeat(20_000, 1)
    y = dequantise.forward(x, generator=generator_from(0))
    bound = (2 * y[:, 0]).log() + dequantise.log_det(x)
    low, high = bound[0::2].mean(), bound[1::2].mean()
    # E log(2 y / 2) for y uniform in the cell, in closed form; sd of log y is at most 1, so 5 sd are 0.036
    assert low == pytest.approx(math.log(0.5) - 1, abs=0.036)
    assert high == pytest.approx(2 * (0 - 0.5 * math.log(0.5)) - 1, abs=0.036)
    assert low < math.log(1 / 4)
    assert high < math.log(3 / 4)


def test_log_det_with_noise_follows_the_noise_of_forward():
    # Dequantise then Logit: the Jacobian at the very point that forward drew, here from the inverse of the logit
    compose, x = Compose([Dequantise(4), Logit(0.01)]), torch.randint(0, 4, (6, 3), generator=generator_from(0))
    y = compose.forward(x, generator=generator_from(1))
    inner = Logit(0.01).inverse(y)
    expected = Logit(0.01).log_det(inner) - 3 * math.log(4)
    assert torch.allclose(compose.log_det(x, generator=generator_from(1)), expected, rtol=1e-5)


def test_standardise_gives_zero_mean_and_unit_spread():
    x = torch.tensor([1e-3, 1.0, 1e3]) * torch.randn(1000, 3, generator=generator_from(0)) + 5
    y = Standardise.fit(x).forward(x)
    assert torch.allclose(y.mean(0), torch.zeros(3), atol=1e-3)  # float32 keeps 5 + 1e-3 z to 5e-7, in units of 1e-3
    assert torch.allclose(y.std(0, correction=0), torch.ones(3), atol=1e-3)


def test_standardise_leaves_constant_columns_alone():
    # 0.1 is no binary fraction: the mean of equal values need not be that value
    x = torch.tensor([[0.1, 3.0], [0.1, 5.0], [0.1, 4.0]])
    transform = Standardise.fit(x)
    y = transform.forward(x)
    assert torch.equal(y[:, 0], torch.zeros(3))
    assert torch.equal(transform.inverse(y)[:, 0], x[:, 0])
    assert transform.log_det(x)[0].item() == pytest.approx(-0.5 * math.log(2 / 3), rel=1e-6)


def test_standardise_fits_one_row_and_whole_numbers():
    assert torch.equal(Standardise.fit(torch.tensor([[4, 2]])).std, torch.ones(2))
    assert Standardise.fit(torch.tensor([[0], [2]])).forward(torch.tensor([[4]])).item() == 3


def test_logit_is_exact_near_one_and_stays_in_the_unit_interval():
    logit = Logit(1e-6)
    # at 1 - s = eps + 1e-5 = 1.1e-5 the form log(s / (1 - s)) would be off by 6e-8 / 1.1e-5 = 0.5 percent in float32
    x = torch.tensor([[1 - 2.0**-16]])
    s = 1e-6 + (1 - 2e-6) * (1 - 2.0**-16)
    assert logit.forward(x).item() == pytest.approx(math.log(s) - math.log1p(-s), rel=1e-6)
    wild = logit.inverse(torch.tensor([[-100.0, 100.0]]))
    assert torch.equal(wild, torch.tensor([[0.0, 1.0]]))


def test_identity_takes_mappings():
    x = {"a": torch.zeros(3, 2), "b": torch.zeros(3)}
    assert Identity().inverse(Identity().forward(x)) is x
    assert torch.equal(Identity().log_det(x), torch.zeros(3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AffineMap(0.0), "scale 0.0"),
        (lambda: Clip(1.0, 0.0), "range 1.0 to 0.0"),
        (lambda: AffineMap(math.inf), "scale inf"),
        (lambda: Logit(0.5), "eps 0.5"),
        (lambda: Dequantise(1), "1 levels"),
        (lambda: Compose([]), "no parts"),
        (lambda: Standardise(torch.zeros(2), torch.tensor([1.0, 0.0])), "positive std"),
        (lambda: rebuild_transform({"type": "Standardize"}, {}), "did you mean Standardise"),
    ],
)
def test_bad_arguments_are_refused(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


def test_samples_beyond_the_range_of_the_data_are_brought_back_and_data_are_not_touched():
    pixels = Compose([Clip(0.0, 255.0), AffineMap(2 / 255, -1.0)])
    assert pixels.inverse(torch.tensor([[-1.2, -1.0, 1.3]])).tolist() == [[0.0, 0.0, 255.0]]
    beyond = torch.tensor([[-3.0, 300.0]])
    assert torch.equal(Clip(0.0, 255.0).forward(beyond), beyond)
