"""Batch -> Loss: what is minimised, at which times and with which weights.

An objective knows paths and heads, never data sets, solvers or the training loop.
"""

from pushforward.objectives import flow_maps, repulsions, simplex, times, weights
from pushforward.objectives.align_your_flow import AlignYourFlow
from pushforward.objectives.alpha_flow import AlphaFlow
from pushforward.objectives.c_rectified_flow import CRectifiedFlow
from pushforward.objectives.consistency_fm import ConsistencyFM
from pushforward.objectives.consistency_training import ConsistencyTraining
from pushforward.objectives.constant_acceleration_flow import ConstantAccelerationFlow
from pushforward.objectives.convex import Convex, Power, Quadratic
from pushforward.objectives.curve_energy import CurveEnergy
from pushforward.objectives.dirichlet_distill import DirichletDistill
from pushforward.objectives.discrete_flow_matching import DiscreteFlowMatching
from pushforward.objectives.dispersive import Dispersive
from pushforward.objectives.flow_maps import FlowMapMatching
from pushforward.objectives.flow_matching import FieldTerm, FlowMatching, Term
from pushforward.objectives.intensity_free import IntensityFree
from pushforward.objectives.joint import Joint
from pushforward.objectives.layout_flow import LayoutFlow
from pushforward.objectives.layout_tasks import ElementsGiven, LabelsAndSizesGiven, LabelsGiven, Whole
from pushforward.objectives.mean_flow import MeanFlow
from pushforward.objectives.modular_mean_flow import ModularMeanFlow
from pushforward.objectives.multimarginal import Multimarginal
from pushforward.objectives.neural_flow_diffusion import NeuralDiffusion, NeuralFlowDiffusion, Volatility
from pushforward.objectives.neural_path import NeuralPath
from pushforward.objectives.re_mean_flow import ReMeanFlow
from pushforward.objectives.second_order import SecondOrder
from pushforward.objectives.shortcut import Shortcut
from pushforward.objectives.simplex import Flat, Mixed, OnCurves, SimplexLaw
from pushforward.objectives.split_mean_flow import SplitMeanFlow
from pushforward.objectives.times import (
    Antithetic,
    Beta,
    Exponential,
    Grid,
    Importance,
    Independent,
    InverseRate,
    LogitNormal,
    LogUniform,
    ModeSD3,
    Stratified,
    Uniform,
    UShaped,
)
from pushforward.objectives.transition_matching import DifferenceTransitionMatching
from pushforward.objectives.weights import EndpointLoss, Likelihood, MinSNR, NoiseLoss, One, VelocityLoss, VLoss

__all__ = [
    "AlignYourFlow",
    "AlphaFlow",
    "Antithetic",
    "Beta",
    "CRectifiedFlow",
    "ConsistencyFM",
    "ConsistencyTraining",
    "ConstantAccelerationFlow",
    "Convex",
    "CurveEnergy",
    "DifferenceTransitionMatching",
    "DirichletDistill",
    "DiscreteFlowMatching",
    "Dispersive",
    "ElementsGiven",
    "EndpointLoss",
    "Exponential",
    "FieldTerm",
    "Flat",
    "FlowMapMatching",
    "FlowMatching",
    "Grid",
    "Importance",
    "Independent",
    "IntensityFree",
    "InverseRate",
    "Joint",
    "LabelsAndSizesGiven",
    "LabelsGiven",
    "LayoutFlow",
    "Likelihood",
    "LogUniform",
    "LogitNormal",
    "MeanFlow",
    "MinSNR",
    "Mixed",
    "ModeSD3",
    "ModularMeanFlow",
    "Multimarginal",
    "NeuralDiffusion",
    "NeuralFlowDiffusion",
    "NeuralPath",
    "NoiseLoss",
    "OnCurves",
    "One",
    "Power",
    "Quadratic",
    "ReMeanFlow",
    "SecondOrder",
    "Shortcut",
    "SimplexLaw",
    "SplitMeanFlow",
    "Stratified",
    "Term",
    "UShaped",
    "Uniform",
    "VLoss",
    "VelocityLoss",
    "Volatility",
    "Whole",
    "flow_maps",
    "repulsions",
    "simplex",
    "times",
    "weights",
]
