"""Overlap and alignment of layouts that were drawn by hand, and slow loops over others."""

import math

import torch

from pushforward.metrics import alignment, overlap


def random_layouts(rows=5, n=6):
    g = torch.Generator().manual_seed(0)
    corners = torch.rand(rows, n, 2, 2, generator=g, dtype=torch.float64).sort(2).values
    real = (torch.arange(n) < torch.tensor([[6], [4], [2], [1], [0]])).double()
    return corners.flatten(2), real


def test_against_loops():
    boxes, real = random_layouts()
    for row, there, piled, lined in zip(boxes, real, overlap(boxes, real), alignment(boxes, real), strict=True):
        items = [b.tolist() for b, k in zip(row, there, strict=True) if k]
        share, cost = 0.0, 0.0
        for i, a in enumerate(items):
            nearest = 1.0
            for j, b in enumerate(items):
                if i == j:
                    continue
                w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
                h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
                share += w * h / ((a[2] - a[0]) * (a[3] - a[1]))
                marks = [(q[0], (q[0] + q[2]) / 2, q[2], q[1], (q[1] + q[3]) / 2, q[3]) for q in (a, b)]
                nearest = min(nearest, *(abs(p - q) for p, q in zip(*marks, strict=True)))
            if len(items) > 1:
                cost -= math.log(1 - nearest)
        size = max(len(items), 1)
        torch.testing.assert_close((float(piled), float(lined)), (share / size, cost / size))


def test_a_grid_is_tidy_and_padding_does_not_matter():
    grid = torch.tensor([[[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0], [0.3, 0.3, 0.4, 0.8]]])
    real = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert overlap(grid, real).item() == alignment(grid, real).item() == 0
    torch.testing.assert_close(overlap(grid, real), overlap(grid[:, :3], real[:, :3]))
    assert overlap(grid, torch.ones(1, 4)).item() > 0
