"""The training loop: settings, batches ahead of the step, averages of weights, checkpoints, metrics, several devices.

Knows nets, objectives and couplings only by their Protocols. What a run means (recipes, configuration, the command
line) lives above; sampling from a trained net lives in `solvers` and `inference`.
"""

from pushforward.training.ahead import ahead
from pushforward.training.atomic import atomic_write
from pushforward.training.checkpoint import Checkpoint, complete_steps, load_checkpoint, save_checkpoint
from pushforward.training.ema import EMA
from pushforward.training.feed import Feed, PairSource
from pushforward.training.marginals_feed import MarginalsFeed
from pushforward.training.processes import main_process
from pushforward.training.settings import PRECISIONS, Training
from pushforward.training.step import TrainingStep
from pushforward.training.trainer import Trained, train
from pushforward.training.weights import load_weights, save_weights

__all__ = [
    "EMA",
    "PRECISIONS",
    "Checkpoint",
    "Feed",
    "MarginalsFeed",
    "PairSource",
    "Trained",
    "Training",
    "TrainingStep",
    "ahead",
    "atomic_write",
    "complete_steps",
    "load_checkpoint",
    "load_weights",
    "main_process",
    "save_checkpoint",
    "save_weights",
    "train",
]
