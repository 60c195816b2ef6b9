"""Batch -> Loss: what is minimised, at which times and with which weights.

An objective knows paths and heads, never data sets, solvers or the training loop.
"""

from pushforward.objectives import times, weights
from pushforward.objectives.flow_matching import FieldTerm, FlowMatching, Term
from pushforward.objectives.joint import Joint
from pushforward.objectives.second_order import SecondOrder
from pushforward.objectives.times import (
    Antithetic,
    Beta,
    Importance,
    Independent,
    LogitNormal,
    ModeSD3,
    Stratified,
    Uniform,
)
from pushforward.objectives.weights import EndpointLoss, Likelihood, MinSNR, NoiseLoss, One, VelocityLoss, VLoss

__all__ = [
    "Antithetic",
    "Beta",
    "EndpointLoss",
    "FieldTerm",
    "FlowMatching",
    "Importance",
    "Independent",
    "Joint",
    "Likelihood",
    "LogitNormal",
    "MinSNR",
    "ModeSD3",
    "NoiseLoss",
    "One",
    "SecondOrder",
    "Stratified",
    "Term",
    "Uniform",
    "VLoss",
    "VelocityLoss",
    "times",
    "weights",
]
