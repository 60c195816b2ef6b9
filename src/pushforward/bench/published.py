"""Figures from papers, each with where it stands."""

from typing import NamedTuple

__all__ = ["EIGHT_GAUSSIANS_TO_MOONS", "Published"]


class Published(NamedTuple):
    """A mean over `runs` runs and its standard deviation, as printed in `where` of the paper at `link`."""

    method: str
    metric: str
    value: float
    spread: float
    runs: int
    where: str
    link: str

    def label(self) -> str:
        """The method as a table shows it."""
        return f"{self.method} ({self.where}, sd {self.spread:g} over {self.runs} runs)"


# Cheng & Schwing, The Curse of Conditions: Analyzing and Improving Optimal Transport for Conditional Flow-Based
# Generation (ICCV 2025): unconditional, adaptive steps. Printed as "2-Wasserstein"; it is the square that agrees with
# torchcfm's own training loop, run here (0.048 with OT). Its budget and evaluation sets are the paper's own.
_CURSE = {"where": "C2OT paper, Fig. 1", "link": "https://arxiv.org/abs/2503.10636", "runs": 10}

EIGHT_GAUSSIANS_TO_MOONS = (
    Published("FM", "squared_wasserstein", 0.120, 0.045, **_CURSE),
    Published("OT", "squared_wasserstein", 0.050, 0.040, **_CURSE),
)
