"""`pushforward methods`, `recipes` and `data`."""

import inspect
import json
from typing import Any

from pushforward import recipes as recipe_room
from pushforward.cli.output import say, table
from pushforward.config import METHODS, parts_of
from pushforward.core import nearest, require
from pushforward.data import Distribution, Loader

__all__ = ["data", "methods", "recipes"]


def methods(name: str | None, as_json: bool) -> None:
    """All methods in a table, or one in full."""
    known = {method.id: method for method in METHODS}
    require(name is None or name in known, f"unknown method {name!r}; {nearest(name or '', known)}")
    chosen = METHODS if name is None else (known[name],)
    if as_json:
        say(json.dumps([method.plain() for method in chosen], indent=2))
    elif name is None:
        table(f"{len(METHODS)} methods", ["id", "family", "summary"], [[m.id, m.family, m.summary] for m in METHODS])
        say("one with its formula: pushforward methods ID")
    else:
        method = known[name]
        say(f"{method.id}: {method.summary}")
        for key, value in {"paper": method.paper, "recipe": method.recipe, "tests": ", ".join(method.tests)}.items():
            say(f"{key:>8}: {value or 'none'}")
        for part in method.parts():
            say(f"\n{part.__module__}.{part.__name__}\n\n{inspect.getdoc(part)}")


def recipes() -> None:
    """All recipes in a table."""
    names = recipe_room.names()
    table(f"{len(names)} recipes", ["recipe", "what it does"], [[name, recipe_room.summary(name)] for name in names])
    say("train one: pushforward train RECIPE --out DIR")


def data() -> None:
    """All loaders, and the distributions of `Toy`, in a table."""
    loaders = parts_of(Loader)
    table(f"{len(loaders)} data sets and readers", ["type", "what it is"], _first_lines(loaders))
    say("")
    toys = parts_of(Distribution)
    table(f"{len(toys)} distributions for the source and target of Toy", ["type", "what it is"], _first_lines(toys))
    say("in YAML: `data: {type: Table, path: FILE}`; on the command line: --set data.path=FILE")


def _first_lines(parts: Any) -> list[list[str]]:
    return [[name, (inspect.getdoc(part) or "").split("\n")[0]] for name, part in sorted(parts.items())]
