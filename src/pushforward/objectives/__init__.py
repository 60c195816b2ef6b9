"""Batch -> Loss: what is minimised, at which times and with which weights.

An objective knows paths and heads, never data sets, solvers or the training loop.
"""

from pushforward.objectives import times, weights
from pushforward.objectives.flow_matching import FlowMatching, Term
from pushforward.objectives.joint import Joint
from pushforward.objectives.neural_flow_diffusion import NeuralDiffusion, NeuralFlowDiffusion, Volatility
from pushforward.objectives.neural_path import NeuralPath
from pushforward.objectives.times import Antithetic, Beta, Independent, LogitNormal, ModeSD3, Stratified, Uniform
from pushforward.objectives.weights import EndpointLoss, Likelihood, MinSNR, NoiseLoss, One, VelocityLoss

__all__ = [
    "Antithetic",
    "Beta",
    "EndpointLoss",
    "FlowMatching",
    "Independent",
    "Joint",
    "Likelihood",
    "LogitNormal",
    "MinSNR",
    "ModeSD3",
    "NeuralDiffusion",
    "NeuralFlowDiffusion",
    "NeuralPath",
    "NoiseLoss",
    "One",
    "Stratified",
    "Term",
    "Uniform",
    "VelocityLoss",
    "Volatility",
    "times",
    "weights",
]
