"""Pairs of both parts, and the codes of labels.

The laws of couplings (`test_laws.py`) are about rows that are re-indexed, of the shape that came in: here both ends are
mappings with a part that was not there, and the condition is in one of them. What they say of such pairs is below.
"""

import math

import pytest
import torch

from pushforward.core import Coupling, Incompatible, InvalidInput
from pushforward.couplings import Symmetrical

PALETTE = ((0.0, 0.0, 0.0), (1.0, 0.2, 0.0), (0.9, 0.3, 0.5), (-1.0, 0.4, 0.1))
KINDS = {
    "labels": ({"codes": 4}, 4),
    "palette": ({"codes": PALETTE}, 3),
    "levels": ({"codes": ((-1.0,), (-0.5,), (0.1,), (1.0,))}, 1),
    "vectors": ({"features": 3}, 3),
}
EVENTS = {"vector": (5,), "image": (2, 3, 4)}
kinds = pytest.mark.parametrize(("given", "size"), KINDS.values(), ids=KINDS)
events = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)


def again(seed=5):
    return torch.Generator().manual_seed(seed)


def conditions(given, shape, gen, dtype=torch.float32):
    """Labels of `shape`, or vectors."""
    if "features" in given:
        return torch.randn(shape[0], 3, *shape[1:], generator=gen, dtype=dtype)
    return torch.randint(0, 4, shape, generator=gen)


@kinds
@events
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_and_label_travel_to_data_and_noise(given, size, event, dtype, gen):
    x0, x1 = torch.randn(2, 40, *event, generator=gen, dtype=dtype)
    cond = conditions(given, (40,), gen, dtype)
    coupling, before = Symmetrical(**given), torch.get_rng_state()
    pairs, same = (coupling(x0, x1, cond, generator=again()) for _ in range(2))
    assert torch.get_rng_state().equal(before)
    assert isinstance(coupling, Coupling)
    assert pairs.cond is None
    assert pairs.weight is None
    assert pairs.x0["data"].equal(x0)
    assert pairs.x1["data"].equal(x1)
    for mine, other in zip(pairs.anchors, same.anchors, strict=True):
        assert mine["label"].equal(other["label"])
        assert mine["label"].shape == (40, size, *event[1:])
        assert mine["label"].dtype == dtype
    decoded = coupling.decode(pairs.x0["label"])
    assert decoded.equal(cond) if "codes" in given else torch.allclose(decoded, cond)
    # sampling starts from the same ends
    assert coupling.source(x0, cond, generator=again())["label"].equal(pairs.x0["label"])
    assert coupling.target(x1)["label"].shape == pairs.x1["label"].shape


def test_the_noise_of_labels_is_standard_and_independent_of_everything(gen):
    n = 20_000
    x0, x1 = torch.randn(2, n, 1, generator=gen, dtype=torch.float64)
    cond = (x1[:, 0] > 0).long()
    pairs = Symmetrical(2, scale=1.0)(x0, x1, cond, generator=gen)
    noise = pairs.x1["label"]
    # means and covariances of unit variables err by 1 / sqrt(n), variances by sqrt(2 / n)
    joint = torch.cat([noise, *pairs.x0.values(), x1], 1)
    table = torch.cov(joint.T)[:2]
    assert noise.mean(0).abs().max() < 4 / math.sqrt(n)
    assert (table[:, 2:] / joint[:, 2:].std(0)).abs().max() < 4 / math.sqrt(n)
    assert (table[:, :2] - torch.eye(2)).abs().max() < 4 * math.sqrt(2 / n)


@kinds
@pytest.mark.parametrize("event", [(2, 3, 4), (1, 6)], ids=str)
def test_maps_have_a_label_for_every_pixel(given, size, event, gen):
    x0, x1 = torch.randn(2, 10, *event, generator=gen)
    cond = conditions(given, (10, *event[1:]), gen)
    coupling = Symmetrical(**given, maps=True, dequantisation=0.99)
    label = coupling(x0, x1, cond, generator=gen).x0["label"]
    assert label.shape == (10, size, *event[1:])
    torch.testing.assert_close(coupling.decode(label), cond)


@pytest.mark.parametrize("codes", [3, PALETTE, ((-1.0,), (-0.5,), (0.5,))], ids=["labels", "palette", "levels"])
def test_boxes_are_as_wide_as_they_may_be(codes):
    """A corner of the box just under the bound is nearest to its own code, for some pair one just over it is not."""
    coupling = Symmetrical(codes, scale=3.0)
    bound = coupling.width / coupling.dequantisation
    number = codes if isinstance(codes, int) else len(codes)
    centres = Symmetrical(codes, scale=1.0, dequantisation=0.0).encode(torch.arange(number), torch.zeros(number, 1))
    wrong = {}
    for share in (0.999, 1.001):
        corners = [
            (k, e + share * bound / 2 * (other - e).sign())
            for k, e in enumerate(centres)
            for m, other in enumerate(centres)
            if m != k
        ]
        labels, points = torch.tensor([k for k, _ in corners]), torch.stack([point for _, point in corners])
        wrong[share] = int((coupling.decode(3.0 * points) != labels).sum())
    assert wrong[0.999] == 0
    assert wrong[1.001] > 0


def test_boxes_are_centred_at_the_scaled_codes(gen):
    coupling, n = Symmetrical(3, scale=2.0, dequantisation=0.6), 20_000
    y = coupling.encode(torch.ones(n, dtype=torch.int64), torch.zeros(n, 1, dtype=torch.float64), generator=gen)
    code, width = torch.tensor([-2.0, 2.0, -2.0], dtype=torch.float64), 2 * 0.6 * 2  # the bound is 2 for codes +-1
    assert (y - code).abs().max() <= width / 2
    assert ((y.mean(0) - code).abs() < 4 * width / math.sqrt(12 * n)).all()
    assert y.std(0).sub(width / math.sqrt(12)).abs().max() < 0.02 * width


def test_labels_of_images_are_spread_and_read_from_the_mean(gen):
    coupling = Symmetrical(4, dequantisation=0.0)
    y = coupling.encode(torch.tensor([2, 0]), torch.zeros(2, 1, 5, 5))
    assert y.equal(y[:, :, :1, :1].expand_as(y))
    y[0, 0, :2] = 30.0  # 10 of 25 pixels: the mean decides, not a vote
    y[1, 1, 0, 0] = 5.0
    assert coupling.decode(y).equal(torch.tensor([0, 0]))


def test_senseless_parts_are_refused():
    for given in ({}, {"codes": 3, "features": 2}):
        with pytest.raises(Incompatible, match="labels or vectors"):
            Symmetrical(**given)
    for given, message in (
        ({"codes": 1}, "at least 2 labels"),
        ({"codes": ((0.0,),)}, "K >= 2 rows"),
        ({"codes": ((0.0,), (1.0, 2.0))}, "same length"),
        ({"codes": ((), ())}, "same length"),
        ({"codes": ((0.0,), (0.0,))}, "two rows that are equal"),
        ({"features": 0}, "features is 0"),
        ({"codes": 2, "scale": 0.0}, "scale is 0"),
        ({"codes": 2, "dequantisation": 1.0}, r"within \[0, 1\)"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Symmetrical(**given)


def test_conditions_of_another_kind_are_refused():
    x = torch.zeros(4, 2)
    for coupling, cond, message in (
        (Symmetrical(3), None, r"cond is None, expected int64 labels of shape \[4\]"),
        (Symmetrical(3), torch.zeros(4), r"expected int64 labels"),
        (Symmetrical(3), torch.ones(4).bool(), r"expected int64 labels"),
        (Symmetrical(3), torch.zeros(4, 1).long(), r"of shape \[4, 1\], expected int64 labels of shape \[4\]"),
        (Symmetrical(3), torch.tensor([0, 1, 2, 3]), r"labels from 0 to 3, expected 0 to 2"),
        (Symmetrical(3), torch.tensor([0, 1, 2, -1]), r"labels from -1 to 2, expected 0 to 2"),
        (Symmetrical(features=2), torch.zeros(4, 3), r"of shape \[4, 3\], expected vectors of shape \[4, 2\]"),
        (Symmetrical(features=2), torch.zeros(4, 2).long(), r"expected vectors"),
        (Symmetrical(3), torch.zeros(5).long(), r"cond has shape \[5\]"),
    ):
        with pytest.raises(InvalidInput, match=message):
            coupling(x, x, cond)
    with pytest.raises(InvalidInput, match=r"expected int64 labels of shape \[4, 3, 3\].*give maps"):
        Symmetrical(3, maps=True)(torch.zeros(4, 1, 3, 3), torch.zeros(4, 1, 3, 3), torch.zeros(4).long())
    with pytest.raises(InvalidInput, match=r"expected tensors \[B, C, ...\]"):
        Symmetrical(3)({"a": x}, {"a": x}, torch.zeros(4).long())
    with pytest.raises(InvalidInput, match=r"y has shape \[4, 2\], expected label parts \[B, 3, ...\]"):
        Symmetrical(3).decode(x)
