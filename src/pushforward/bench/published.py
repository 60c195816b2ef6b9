"""Figures from papers, each with where it stands."""

import math
from typing import NamedTuple

__all__ = ["CAR_FLOW_LENGTHS", "EIGHT_GAUSSIANS_TO_MOONS", "Published"]


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
# Generation (ICCV 2025): unconditional, adaptive steps. Printed as "2-Wasserstein"; it is the square that agrees with
# torchcfm's own training loop, run here (0.048 with OT). Its budget and evaluation sets are the paper's own.
_CURSE = {"where": "C2OT paper, Fig. 1", "link": "https://arxiv.org/abs/2503.10636", "runs": 10}

EIGHT_GAUSSIANS_TO_MOONS = (
    Published("FM", "squared_wasserstein", 0.120, 0.045, **_CURSE),
    Published("OT", "squared_wasserstein", 0.050, 0.040, **_CURSE),
)

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
