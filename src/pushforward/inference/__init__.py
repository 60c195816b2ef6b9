"""What is done with a trained or exact field: transport, inversion, likelihood.

Everything here drives `solve` and brings no loop of its own. How to step lives in `solvers`; how to steer a field in
`guidance`; training in its own room.
"""

from pushforward.inference.extrapolated import Extrapolated
from pushforward.inference.likelihood import Likelihood, likelihood, log_prob, sample_with_log_prob
from pushforward.inference.transport import round_trip_error, transport

__all__ = [
    "Extrapolated",
    "Likelihood",
    "likelihood",
    "log_prob",
    "round_trip_error",
    "sample_with_log_prob",
    "transport",
]
