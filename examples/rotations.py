"""A flow of rotations: from the uniform law of SO(3) to noise about the identity and three half turns.

    python examples/rotations.py [STEPS]

Prints the negative log-likelihood of fresh rotations under the flow and under the law itself, in nats against the
Riemannian volume 8 pi^2, of which the uniform law has 4.37.
"""

import math
import sys

import torch

import pushforward as pf
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching
from pushforward.paths import Geodesic
from pushforward.solvers import RK4, solve
from pushforward.spaces import IGSO3, SO3
from pushforward.training import Feed, Training, train

WIDTH = 0.3  # of the noise, in radians


CENTRES = torch.stack([torch.tensor(s).diag() for s in ([1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])])


def main(steps: int = 2000, rows: int = 1000) -> dict[str, float]:
    """Train, sample and judge."""
    space, noise = SO3(), IGSO3(WIDTH)
    generator = torch.Generator().manual_seed(0)

    def draw(n: int) -> torch.Tensor:
        which = torch.randint(len(CENTRES), (n,), generator=generator)
        return CENTRES[which] @ noise.noise(torch.empty(n, 3, 3), generator=generator)

    def exact(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([noise.log_prob(r.T @ x) for r in CENTRES]).logsumexp(0) - math.log(len(CENTRES))

    torch.manual_seed(0)
    objective = FlowMatching(Geodesic(space))
    settings = Training(steps=steps, batch_size=256, learning_rate=2e-3, warmup=min(50, steps), ema=0.995)
    trained = train(
        MLP((3, 3), width=128, activation="silu"), objective, Feed(pf.data.Arrays(draw(20_000)), space=space), settings
    )
    field, times = objective.field(trained.net), torch.linspace(0, 1, 33)
    with torch.no_grad():
        x = solve(field, space.noise(torch.empty(rows, 3, 3), generator=generator), times, solver=RK4(space)).x
        fresh = draw(rows)
        found = pf.log_prob(field, fresh, solver=RK4(space), times=times)
    angle = lambda x: float(torch.stack([space.distance(x, r.expand_as(x)) for r in CENTRES]).amin(0).mean())
    return {
        "nll": -float(found.mean()),
        "nll of the law": -float(exact(fresh).mean()),
        "angle to the nearest centre": angle(x),
        "angle of the law": angle(fresh),
        "off SO(3)": float((x.mT @ x - torch.eye(3)).abs().max()),
    }


if __name__ == "__main__":
    for name, value in main(*map(int, sys.argv[1:2])).items():
        print(f"{name:30s} {value:.4g}")
