"""A flow on a surface: from the uniform law on a mesh to the positive part of an eigenfunction of its Laplacian.

    python examples/mesh.py [FILE.obj]

Without a file the mesh is a sphere. Writes `mesh.png`, density and samples, and prints how well a classifier tells
samples, and uniform points, from fresh draws: 0.5 is chance.
"""

import sys
from pathlib import Path

import torch

import pushforward as pf
from pushforward.data import MeshDensity, Stream
from pushforward.metrics import c2st
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching
from pushforward.paths import Premetric
from pushforward.solvers import Euler, solve
from pushforward.spaces import Mesh, SpectralDistance
from pushforward.training import Feed, Training, train


def main(
    mesh: Mesh, *, number: int = 2, steps: int = 600, rows: int = 2000, out: Path | None = None
) -> dict[str, float]:
    """Train, sample and judge."""
    density, generator = MeshDensity.eigenfunction(mesh, number), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    path = Premetric(mesh, SpectralDistance(mesh, modes=48), steps=16)
    objective = FlowMatching(path, states=16)
    settings = Training(steps=steps, batch_size=32, learning_rate=2e-3, warmup=min(50, steps), ema=0.99)
    trained = train(MLP((3,), width=128), objective, Feed(Stream(density), space=mesh), settings)
    x0 = mesh.noise(torch.empty(rows, 3), generator=generator)
    with torch.no_grad():
        x = solve(objective.field(trained.net), x0, torch.linspace(0, 1, 51), solver=Euler(mesh)).x
    if out is not None:
        out.write_bytes(pf.report.png(pf.report.on_mesh(mesh.vertices, mesh.faces, density.values, x)))
    fresh = density.sample(rows, generator=generator)
    return {"c2st": c2st(x, fresh), "c2st of uniform points": c2st(x0, fresh)}


if __name__ == "__main__":
    mesh = Mesh.read(sys.argv[1]) if sys.argv[1:] else Mesh.icosphere(3)
    for name, value in main(mesh, out=Path("mesh.png")).items():
        print(f"{name:24s} {value:.3f}")
