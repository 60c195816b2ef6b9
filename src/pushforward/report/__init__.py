"""Pictures of a run, the page that holds them, and runs side by side.

Here lives what turns arrays and run folders into figures, HTML and tables for people to read. Nothing here trains,
samples or measures: what is shown was written to the run folder by lower rooms, and what is missing is said in words.
"""

from pushforward.report.compare import Comparison, compare
from pushforward.report.compare_bars import compare_bars
from pushforward.report.figures import picture, save_figures
from pushforward.report.losses import losses
from pushforward.report.marginals import marginals, pairs
from pushforward.report.on_earth import on_earth
from pushforward.report.on_mesh import on_mesh
from pushforward.report.on_space import on_space
from pushforward.report.page import report
from pushforward.report.ramachandran import ramachandran
from pushforward.report.sample_grid import sample_grid
from pushforward.report.scatter import scatter
from pushforward.report.style import png, style
from pushforward.report.trajectories import trajectories

__all__ = [
    "Comparison",
    "compare",
    "compare_bars",
    "losses",
    "marginals",
    "on_earth",
    "on_mesh",
    "on_space",
    "pairs",
    "picture",
    "png",
    "ramachandran",
    "report",
    "sample_grid",
    "save_figures",
    "scatter",
    "style",
    "trajectories",
]
