"""The estimator `Flow`, and the evaluation of what it learned against held-out data.

It assembles lower rooms behind scikit-learn's manners and holds no mathematics of its own. Pictures and pages are the
report's, files and arguments the command line's.
"""

from pushforward.flow.evaluation import Evaluated, evaluate, usual_conditions
from pushforward.flow.flow import Flow, resolve
from pushforward.flow.frame import Frame
from pushforward.flow.reflow import couples, distil, reflow, straightness

__all__ = [
    "Evaluated",
    "Flow",
    "Frame",
    "couples",
    "distil",
    "evaluate",
    "reflow",
    "resolve",
    "straightness",
    "usual_conditions",
]
