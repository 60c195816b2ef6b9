"""Distributions whose marginal velocity, score, ends, density, flow map and posteriors are known exactly.

Closed forms against which the rest of the library is tested, and the few formulas (Gaussian transport) that build them.
Nothing here is trained, solved step by step with a solver, or estimated from samples; that belongs in a higher room.
"""

from pushforward.oracles.along import Along
from pushforward.oracles.bures import GaussianTransport, entropic_cross, gaussian_ot
from pushforward.oracles.gaussian_mixture import GaussianMixture
from pushforward.oracles.hawkes_process import HawkesProcess
from pushforward.oracles.independent_gaussians import IndependentGaussians
from pushforward.oracles.particle_pair import ParticlePair
from pushforward.oracles.poisson_process import PoissonProcess
from pushforward.oracles.reference import reference_mixture
from pushforward.oracles.renewal_process import LogNormalRenewal
from pushforward.oracles.simplex_along import SimplexAlong
from pushforward.oracles.token_along import TokenAlong
from pushforward.oracles.token_law import TokenLaw

__all__ = [
    "Along",
    "GaussianMixture",
    "GaussianTransport",
    "HawkesProcess",
    "IndependentGaussians",
    "LogNormalRenewal",
    "ParticlePair",
    "PoissonProcess",
    "SimplexAlong",
    "TokenAlong",
    "TokenLaw",
    "entropic_cross",
    "gaussian_ot",
    "reference_mixture",
]
