"""What is done with a trained or exact field: transport, inversion, likelihood, a later start.

Everything here drives `solve` and brings no loop of its own. How to step lives in `solvers`; how to steer a field in
`guidance`; training in its own room.
"""

from pushforward.inference.gaussian_flow import GaussianFlow
from pushforward.inference.likelihood import log_prob, sample_with_log_prob
from pushforward.inference.skip import Skip, SkipErrors, skip_errors
from pushforward.inference.transport import round_trip_error, transport

__all__ = [
    "GaussianFlow",
    "Skip",
    "SkipErrors",
    "log_prob",
    "round_trip_error",
    "sample_with_log_prob",
    "skip_errors",
    "transport",
]
