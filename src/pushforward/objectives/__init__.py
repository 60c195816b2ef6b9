"""Batch -> Loss: what is minimised, at which times and with which weights.

An objective knows paths and heads, never data sets, solvers or the training loop.
"""

from pushforward.objectives import simplex, times, weights
from pushforward.objectives.curve_energy import CurveEnergy
from pushforward.objectives.flow_matching import FlowMatching, Term
from pushforward.objectives.joint import Joint
from pushforward.objectives.multimarginal import Multimarginal
from pushforward.objectives.simplex import Flat, Mixed, OnCurves, SimplexLaw
from pushforward.objectives.times import Antithetic, Beta, Independent, LogitNormal, ModeSD3, Stratified, Uniform
from pushforward.objectives.weights import EndpointLoss, Likelihood, MinSNR, NoiseLoss, One, VelocityLoss

__all__ = [
    "Antithetic",
    "Beta",
    "CurveEnergy",
    "EndpointLoss",
    "Flat",
    "FlowMatching",
    "Independent",
    "Joint",
    "Likelihood",
    "LogitNormal",
    "MinSNR",
    "Mixed",
    "ModeSD3",
    "Multimarginal",
    "NoiseLoss",
    "OnCurves",
    "One",
    "SimplexLaw",
    "Stratified",
    "Term",
    "Uniform",
    "VelocityLoss",
    "simplex",
    "times",
    "weights",
]
