"""pushforward: learn to move one probability distribution onto another.

Nothing heavy is imported until it is used: `pf.solvers`, `pf.Flow`, ... load on first access.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = (
    "bench",
    "config",
    "core",
    "couplings",
    "data",
    "fields",
    "guidance",
    "inference",
    "metrics",
    "nets",
    "objectives",
    "oracles",
    "paths",
    "recipes",
    "report",
    "solvers",
    "spaces",
    "training",
    "transport",
)
_NAMES = {
    "Flow": "pushforward.flow",
    "Pairs": "pushforward.core",
    "Solution": "pushforward.solvers",
    "adapters": "pushforward.fields",
    "distil": "pushforward.flow",
    "log_prob": "pushforward.inference",
    "reflow": "pushforward.flow",
    "solve": "pushforward.solvers",
}

__all__ = ["__version__", *_NAMES, *_ROOMS]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from pushforward import (
        config,
        core,
        couplings,
        data,
        fields,
        guidance,
        inference,
        metrics,
        nets,
        objectives,
        oracles,
        paths,
        recipes,
        report,
        solvers,
        spaces,
        training,
        transport,
    )
    from pushforward.core import Pairs
    from pushforward.fields import adapters
    from pushforward.flow import Flow, distil, reflow
    from pushforward.inference import log_prob
    from pushforward.solvers import Solution, solve


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"pushforward.{name}")
    raise AttributeError(f"module 'pushforward' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
