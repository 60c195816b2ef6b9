"""Noise within the cells of whole numbers, with its density: what makes a log-probability out of a log-density."""

from pushforward.inference.dequantisation.base import Dequantisation, Draws
from pushforward.inference.dequantisation.truncated_normal import TruncatedNormal
from pushforward.inference.dequantisation.uniform import Uniform
from pushforward.inference.dequantisation.variational import Variational

__all__ = ["Dequantisation", "Draws", "TruncatedNormal", "Uniform", "Variational"]
