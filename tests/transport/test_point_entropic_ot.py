import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pushforward.core import InvalidInput
from pushforward.transport import _scaling, entropic_ot, point_entropic_ot, squared_euclidean


def clouds(n, m, gen, d=2):
    x, y = (torch.randn(k, d, dtype=torch.float64, generator=gen) for k in (n, m))
    return x, 2 * y.sign() + 0.3 * y


def weights(n, gen):
    w = 0.1 + torch.rand(n, dtype=torch.float64, generator=gen)
    return w / w.sum()


@pytest.fixture
def blocks(monkeypatch):
    """A block is some rows."""
    monkeypatch.setattr(_scaling, "_BLOCK", 500)


class Largest(TorchDispatchMode):
    """The most entries that any new tensor had."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for part in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(part, torch.Tensor):
                self.entries = max(self.entries, part.numel())
        return out


@pytest.mark.parametrize("strength", [0.5, 0.05])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_answer_from_a_matrix(strength, weighted, gen, blocks):
    x, y = clouds(90, 60, gen)
    a, b = (weights(90, gen), weights(60, gen)) if weighted else (None, None)
    if weighted:
        a[3], b[5] = 0.0, 0.0
        a, b = a / a.sum(), b / b.sum()
    whole = entropic_ot(squared_euclidean(x, y), strength, a, b, relative=True, tolerance=1e-9)
    with Largest() as largest:
        found = point_entropic_ot(x, y, strength, a, b, relative=True, tolerance=1e-9)
    assert largest.entries <= 500 < 90 * 60
    for name in ("f", "g", "value", "epsilon"):
        torch.testing.assert_close(getattr(found, name), getattr(whole, name), rtol=0, atol=1e-6)


def test_images_and_far_clouds_in_single_precision(gen):
    x, y = torch.rand(2, 20, 1, 4, 4, generator=gen)
    found, flat = point_entropic_ot(x, y, 0.5), entropic_ot(squared_euclidean(x, y), 0.5)
    assert found.f.dtype == found.value.dtype == torch.float32
    # float32 keeps 6e-8 of squared distances below 16
    torch.testing.assert_close(found.value, flat.value, rtol=0, atol=1e-6)
    assert point_entropic_ot(x.numpy(), y.numpy(), 0.5).f.equal(found.f)
    far = point_entropic_ot(x.double() + 1e6, y.double() + 1e6, 0.5)
    torch.testing.assert_close(far.f.float(), found.f, rtol=0, atol=1e-5)


def test_gradients_of_the_value(gen, blocks):
    x, y = (z.requires_grad_() for z in clouds(5, 4, gen))
    a = weights(5, gen).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *z: point_entropic_ot(*z[:2], 1.0, z[2] / z[2].sum(), tolerance=1e-13).value, (x, y, a)
    )
    assert not point_entropic_ot(x, y, 1.0).f.requires_grad


def test_refuses_what_cannot_be_done(gen):
    x, y = clouds(9, 9, gen)
    with pytest.raises(InvalidInput, match="cannot be compared"):
        point_entropic_ot(x[:0], y, 0.1)
    with pytest.raises(InvalidInput, match="points are not finite"):
        point_entropic_ot(x * math.nan, y, 0.1)
    for bad in (0.0, math.inf, math.nan):
        with pytest.raises(InvalidInput, match=f"epsilon is {bad}"):
            point_entropic_ot(x, y, bad)
    with pytest.raises(InvalidInput, match="after 3 iterations"):
        point_entropic_ot(x, y, 1e-3, max_iterations=3)
