import pytest
import torch

from pushforward.oracles import reference_mixture
from pushforward.paths import Affine


@pytest.fixture(scope="session")
def mixture():
    """The exact marginal velocity of the reference mixture along straight paths; float64, two coordinates."""
    return reference_mixture().along(Affine())


@pytest.fixture
def starts():
    return torch.randn(6, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
