"""Figures from papers, each with where it stands."""

import math
from typing import NamedTuple

__all__ = [
    "CAR_FLOW_LENGTHS",
    "EARTH",
    "EIGHT_GAUSSIANS_TO_MOONS",
    "LABELS_ADAPTIVE",
    "LABELS_EULER",
    "MIRROR_BALL",
    "MIRROR_POLYTOPE",
    "VECTORS_ADAPTIVE",
    "VECTORS_EULER",
    "Published",
]


class Published(NamedTuple):
    """A mean over `runs` runs and its standard deviation, as printed in `where` of the paper at `link`.

    `spread` is NaN where none is printed.
    """

    method: str
    metric: str
    value: float
    spread: float
    runs: int
    where: str
    link: str

    def label(self) -> str:
        """The method as a table shows it."""
        spread = "" if math.isnan(self.spread) else f", sd {self.spread:g} over {self.runs} runs"
        return f"{self.method} ({self.where}{spread})"


# Cheng & Schwing, The Curse of Conditions: Analyzing and Improving Optimal Transport for Conditional Flow-Based
# Generation (ICCV 2025). Printed as "2-Wasserstein"; it is the square, over all conditions together: so the official
# code (https://github.com/hkchengrex/C2OT, moons.py) computes it, and so it agrees with torchcfm's own training loop,
# run here (0.048 with OT, unconditional). Its budget and evaluation sets are the paper's own.
_CURSE = {"where": "C2OT paper, Fig. 1", "link": "https://arxiv.org/abs/2503.10636", "runs": 10}


def _curse(**figures: tuple[float, float]) -> tuple[Published, ...]:
    return tuple(Published(name, "squared_wasserstein", *figure, **_CURSE) for name, figure in figures.items())


EIGHT_GAUSSIANS_TO_MOONS = _curse(FM=(0.120, 0.045), OT=(0.050, 0.040))  # unconditional, adaptive steps

LABELS_EULER = _curse(FM=(2.573, 0.112), OT=(0.483, 0.059), C2OT=(0.048, 0.010))  # one step
LABELS_ADAPTIVE = _curse(FM=(0.059, 0.029), OT=(0.462, 0.025), C2OT=(0.018, 0.006))
VECTORS_EULER = _curse(FM=(0.732, 0.052), OT=(8.276, 6.510), C2OT=(0.077, 0.024))
VECTORS_ADAPTIVE = _curse(FM=(0.028, 0.010), OT=(2.143, 1.993), C2OT=(0.013, 0.003))

# Chen et al., CAR-Flow: Condition-Aware Reparameterization Aligns Source and Target for Better Flow Matching (NeurIPS
# 2025): mean length of trajectories on a line, Euler with 50 steps. The first is also the exact length.
_CAR_FLOW = {
    "metric": "trajectory_length",
    "spread": math.nan,
    "runs": 1,
    "where": "CAR-Flow paper",
    "link": "https://arxiv.org/abs/2509.19300",
}

CAR_FLOW_LENGTHS = (
    Published("plain", value=1.5355, **_CAR_FLOW),
    Published("CARFlow, source", value=0.7432, **_CAR_FLOW),
    Published("CARFlow, target", value=0.7129, **_CAR_FLOW),
    Published("CARFlow, joint", value=0.7121, **_CAR_FLOW),
)

# Guan, Balasubramanian & Ma, Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex Domains
# (ICLR 2026): means of 10 runs on a laptop, of KL and of an MMD whose kernel and form are not given; A, b and the
# Gaussians of its targets are not given either, and the ball is |x|^2 < 144 in one version and < 25 in another.
_MIRROR = {"link": "https://arxiv.org/abs/2510.08929"}


def _mirror(where: str, metric: str, **figures: tuple[float, float]) -> tuple[Published, ...]:
    """Where no spread is known the mean counts as one run."""
    return tuple(
        Published(name, metric, value, spread, 1 if math.isnan(spread) else 10, where=where, **_MIRROR)
        for name, (value, spread) in figures.items()
    )


_POLYTOPE, _BALL = "Mirror FM paper, 10-d polytope", "Mirror FM paper, 6-d ball"
MIRROR_POLYTOPE = (
    *_mirror(
        _POLYTOPE,
        "mmd",
        mirror_student_t=(5.552e-3, 0.116e-3),
        mirror_normal=(5.774e-3, math.nan),
        reflected=(5.868e-3, 0.173e-3),
        gauge=(7.490e-3, math.nan),
    ),
    *_mirror(
        _POLYTOPE,
        "kl",
        mirror_student_t=(0.339, 0.021),
        mirror_normal=(0.379, math.nan),
        reflected=(0.360, 0.030),
        gauge=(0.813, math.nan),
    ),
    *_mirror(
        _POLYTOPE,
        "feasible_share",
        reflected=(0.9826, math.nan),
        gauge=(0.9065, math.nan),
    ),
)
MIRROR_BALL = (
    *_mirror(
        _BALL,
        "mmd",
        mirror_student_t=(1.153e-2, 0.028e-2),
        mirror_normal=(1.221e-2, math.nan),
        reflected=(1.393e-2, 0.039e-2),
    ),
    *_mirror(
        _BALL,
        "kl",
        mirror_student_t=(6.944e-2, 1.111e-2),
        mirror_normal=(9.644e-2, math.nan),
        reflected=(14.827e-2, 1.108e-2),
    ),
    *_mirror(_BALL, "feasible_share", reflected=(1.0, math.nan)),
)

# Negative log-likelihood on held-out events, in nats against the area of the sphere; `metric` is the set of events.
# Table 4 of RSGM (De Bortoli et al., NeurIPS 2022) has all rows but the first two, which are those of Chen & Lipman
# (https://arxiv.org/abs/2302.03660) and Jo & Hwang (https://arxiv.org/abs/2310.07216) as later papers repeat them.
_RSGM = ("RSGM, table 4", "https://arxiv.org/abs/2202.02763")
_EARTH = {
    "Riemannian flow matching": (
        ("RFM paper, as repeated later", "https://arxiv.org/abs/2302.03660"),
        (-7.93, -0.28, 0.42, -1.86),
    ),
    "Riemannian diffusion mixture": (
        ("RDM paper, as repeated later", "https://arxiv.org/abs/2310.07216"),
        (-6.61, -0.40, 0.43, -1.38),
    ),
    "RSGM": (_RSGM, (-4.92, -0.19, 0.45, -1.33)),
    "Moser flow": (_RSGM, (-4.21, -0.16, 0.57, -1.28)),
    "Riemannian CNF": (_RSGM, (-6.05, 0.14, 1.11, -0.80)),
    "Mixture of Kent laws": (_RSGM, (-0.80, 0.33, 0.73, -1.18)),
}
EARTH = tuple(
    Published(method, events, value, math.nan, 5, *source)
    for method, (source, values) in _EARTH.items()
    for events, value in zip(("volcano", "earthquake", "flood", "fire"), values, strict=True)
)
