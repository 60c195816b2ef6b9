"""YAML and mappings to parts and back, through one explicit register; the table of methods.

Nothing here computes: a configuration names parts of lower rooms, checks them, and puts them together over data.
"""

from pushforward.config.build import Partial, build, build_partial, describe
from pushforward.config.experiment import Experiment, Guidance, guide, start
from pushforward.config.methods import METHODS, Method
from pushforward.config.register import kinds, parts_of
from pushforward.config.schema import (
    LATE_NET,
    Config,
    Evaluation,
    Sampling,
    checked_guidance,
    override,
    parse,
    read_yaml,
    write_yaml,
)

__all__ = [
    "LATE_NET",
    "METHODS",
    "Config",
    "Evaluation",
    "Experiment",
    "Guidance",
    "Method",
    "Partial",
    "Sampling",
    "build",
    "build_partial",
    "checked_guidance",
    "describe",
    "guide",
    "kinds",
    "override",
    "parse",
    "parts_of",
    "read_yaml",
    "start",
    "write_yaml",
]
