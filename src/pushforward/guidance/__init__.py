"""Guidance: a field in, a steered field out.

A guidance wraps fields and is one, so it goes wherever a field goes: into solvers, likelihoods, distillation. It
takes no steps, draws no samples and trains nothing; methods that need the loop or act across rows live in inference.
"""

from pushforward.guidance.autoguidance import Autoguidance
from pushforward.guidance.cfg_zero_star import CFGZeroStar
from pushforward.guidance.classifier_free import ClassifierFree
from pushforward.guidance.interval import Guidance, Interval
from pushforward.guidance.rate_guidance import RateGuidance
from pushforward.guidance.simplex_classifier import SimplexClassifier
from pushforward.guidance.simplex_classifier_free import SimplexClassifierFree
from pushforward.guidance.straight_through import StraightThrough
from pushforward.guidance.tempered import Tempered

__all__ = [
    "Autoguidance",
    "CFGZeroStar",
    "ClassifierFree",
    "Guidance",
    "Interval",
    "RateGuidance",
    "SimplexClassifier",
    "SimplexClassifierFree",
    "StraightThrough",
    "Tempered",
]
