"""What is done with a trained or exact field: transport, inversion, likelihood.

Everything here drives `solve` and brings no loop of its own. How to step lives in `solvers`; how to steer a field in
`guidance`; training in its own room.
"""

from pushforward.inference import dequantisation
from pushforward.inference.bits_per_dim import bits_per_dim, log_bound
from pushforward.inference.elbo import elbo
from pushforward.inference.extrapolated import Extrapolated
from pushforward.inference.gaussian_flow import GaussianFlow
from pushforward.inference.likelihood import Likelihood, likelihood, log_prob, sample_with_log_prob
from pushforward.inference.skip import Skip, SkipErrors, skip_errors
from pushforward.inference.transport import round_trip_error, transport

__all__ = [
    "Extrapolated",
    "GaussianFlow",
    "Likelihood",
    "Skip",
    "SkipErrors",
    "bits_per_dim",
    "dequantisation",
    "elbo",
    "likelihood",
    "log_bound",
    "log_prob",
    "round_trip_error",
    "sample_with_log_prob",
    "skip_errors",
    "transport",
]
