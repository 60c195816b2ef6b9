"""Figures from papers, each with where it stands."""

import math
from typing import NamedTuple

__all__ = [
    "CAR_FLOW_LENGTHS",
    "EIGHT_GAUSSIANS_TO_MOONS",
    "LABELS_ADAPTIVE",
    "LABELS_EULER",
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
