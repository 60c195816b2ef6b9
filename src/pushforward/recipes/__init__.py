"""Named, tested compositions: one YAML file each, with no mathematics of its own.

A recipe only names parts of lower rooms. If it needs an equation, the equation belongs in one of them.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from pushforward.core import nearest, require

__all__ = ["load", "names", "summary"]


def names() -> list[str]:
    """The recipes there are."""
    return sorted(file.name.removesuffix(".yaml") for file in files(__name__).iterdir() if file.name.endswith(".yaml"))


def load(name: str) -> dict[str, Any]:
    """The configuration of a recipe, as written.

    Raises: `InvalidInput` for an unknown name, with the nearest valid one.

    Example:
        >>> load("moons")["data"]["type"]
        'Toy'
    """
    known = names()
    require(name in known, f"unknown recipe {name!r}; {nearest(name, known)} (see `pushforward recipes`)")
    return {"recipe": name, **yaml.safe_load((files(__name__) / f"{name}.yaml").read_text(encoding="utf-8"))}


def summary(name: str) -> str:
    """What a recipe does, in one line."""
    found: Mapping[str, Any] = load(name)
    return str(found["summary"])
