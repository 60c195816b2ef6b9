"""What the tests of metrics share."""

import pytest
import torch

# Imported before pytest runs doctests: it would load `metrics/wasserstein.py` by path and hang that module over the
# function of the same name.
from pushforward.metrics import _pairs


@pytest.fixture
def gen():
    return torch.Generator().manual_seed(20240229)


@pytest.fixture
def gaussian_field():
    """The exact CondOT velocity from N(0, I) to N(mu, S): v = m' + K C^{-1} (x - m)."""

    def build(mu, S):
        eye = torch.eye(len(mu), dtype=mu.dtype)

        def field(x, t, cond=None):
            s = t[0]
            C = (1 - s) ** 2 * eye + s**2 * S
            K = s * S - (1 - s) * eye
            return mu + (x - s * mu) @ torch.linalg.solve(C, K)  # C and K commute

        return field

    return build


@pytest.fixture
def small_blocks(monkeypatch):
    """Distances held 50 at a time, so that small sets take many blocks, the last one short."""
    monkeypatch.setattr(_pairs, "_PAIRS", 50)
