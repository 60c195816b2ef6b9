"""Change of schedule on the exact mixture field: the converted field is the other schedule's exact field."""

import pytest
import torch

from pushforward.core import Incompatible
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT, Cosine, LinearVP, Polynomial, Rescheduled, VariancePreserving

PAIRS = [
    (CondOT(), Cosine()),
    (CondOT(), VariancePreserving()),
    (Cosine(), CondOT()),
    (LinearVP(), Polynomial(3)),
    (VariancePreserving(), CondOT()),
]


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=repr)
def test_converted_field_is_the_exact_field_of_the_new_schedule(old, new):
    mixture, g = reference_mixture(), torch.Generator().manual_seed(0)
    x = 2 * torch.randn(200, 2, generator=g, dtype=torch.float64)
    r = 0.05 + 0.9 * torch.rand(200, generator=g, dtype=torch.float64)
    converted = Rescheduled(mixture.along(Affine(old)), old, new)
    torch.testing.assert_close(converted(x, r), mixture.along(Affine(new))(x, r), rtol=1e-9, atol=1e-9)


def test_a_schedule_changed_to_itself_is_the_field():
    mixture, x = reference_mixture(), torch.tensor([[0.5, -0.2]], dtype=torch.float64)
    r = torch.tensor([0.6], dtype=torch.float64)
    exact = mixture.along(Affine(CondOT()))
    torch.testing.assert_close(Rescheduled(exact, CondOT(), CondOT())(x, r), exact(x, r), rtol=1e-14, atol=1e-14)


def test_both_fields_end_at_the_same_samples():
    """RK4 on both schedules from the same source rows; the error of 400 steps is far below the tolerance."""
    mixture, g = reference_mixture(), torch.Generator().manual_seed(1)
    x0 = torch.randn(50, 2, generator=g, dtype=torch.float64)

    def follow(field, steps=400):
        x, h = x0, 1.0 / steps
        for k in range(steps):
            at = lambda offset, k=k: torch.full((50,), (k + offset) * h, dtype=torch.float64)
            a = field(x, at(0.0))
            b = field(x + h / 2 * a, at(0.5))
            c = field(x + h / 2 * b, at(0.5))
            d = field(x + h * c, at(1.0))
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        return x

    straight = mixture.along(Affine(CondOT()))
    torch.testing.assert_close(follow(Rescheduled(straight, CondOT(), Cosine())), follow(straight), rtol=0, atol=1e-6)


class Short:
    span = (0.2, 0.9)

    def __call__(self, x, t, cond=None):
        return x


def test_the_times_of_a_field_move_with_their_signal_to_noise_ratio():
    low, high = Rescheduled(Short(), CondOT(), Cosine()).span
    ratio = torch.tensor([low, high]).mul(torch.pi / 2).tan()  # cosine: sin over cos
    torch.testing.assert_close(ratio, torch.tensor([0.2 / 0.8, 0.9 / 0.1]), rtol=1e-5, atol=0)
    assert Rescheduled(lambda x, t, cond=None: x, CondOT(), Cosine()).span == (0.0, 1.0)
    with pytest.raises(Incompatible, match="time_at_snr"):
        Rescheduled(Short(), CondOT(), CondOT().__call__)
