"""Kernels as wide as rows are apart."""

import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.data import NeighbourKernels
from pushforward.spaces import Euclidean, Sphere, Torus


def test_widths_are_distances_to_neighbours():
    """Rows at 0, 1, 3, 7: second neighbours at 3, 2, 3, 6; the pair that coincides has the narrowest width."""
    rows = torch.tensor([0.0, 1.0, 3.0, 7.0])[:, None]
    assert NeighbourKernels(rows, neighbour=2, share=0.5).widths.tolist() == [1.5, 1.0, 1.5, 3.0]
    assert NeighbourKernels(torch.zeros(2, 1), neighbour=1, narrowest=0.1).widths.tolist() == pytest.approx([0.1, 0.1])


def test_neighbours_across_the_seam_of_a_torus():
    rows = torch.tensor([[0.1], [2 * math.pi - 0.1], [3.0]])
    found = NeighbourKernels(rows, Torus(), neighbour=1, share=1.0).widths
    torch.testing.assert_close(found[:2], torch.tensor([0.2, 0.2]), rtol=1e-5, atol=0)


def test_draws_are_normal_about_their_rows():
    """Two rows 100 apart, widths 100 c = 1: each half has its row's mean and unit variance, to 5 sigma."""
    rows = torch.tensor([[0.0, 0.0], [100.0, 0.0]])
    n = 20_000
    x = NeighbourKernels(rows, neighbour=1, share=0.01).sample(n, generator=torch.Generator().manual_seed(0))
    right = x[:, 0] > 50
    assert abs(right.double().mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
    rest = x - torch.where(right[:, None], rows[1], rows[0])
    assert rest.mean(0).abs().max() < 5 / math.sqrt(n)
    assert (rest.var(0) - 1).abs().max() < 5 * math.sqrt(2 / n)


def test_steps_on_a_sphere_are_as_long_as_said():
    """Geodesic distances to the one row are Rayleigh: the mean of their squares is 2 h^2."""
    rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.2, 0.0]], dtype=torch.float64), dim=1)
    kernels = NeighbourKernels(rows, Sphere(), neighbour=1, share=0.1)
    h, n = float(kernels.widths[0]), 20_000
    x = kernels.sample(n, generator=torch.Generator().manual_seed(0))
    nearest = torch.minimum(*(Sphere().distance(x, row.expand_as(x)) for row in rows))
    assert abs(nearest.square().mean() - 2 * h**2) < 5 * 2 * h**2 / math.sqrt(n)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"neighbour": 4}, "neighbour is 4 of 4 rows"),
        ({"share": 0.0}, "share is 0.0"),
        ({"narrowest": -1.0}, "narrowest"),
    ],
    ids=repr,
)
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(InvalidInput, match=message):
        NeighbourKernels(torch.zeros(4, 1), Euclidean(), **given)
