"""Tokenisers as plain data, so that a saved run reads and writes texts without the data that it learned from."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pushforward.core import InvalidInput, nearest
from pushforward.data.tokenisers.base import Tokeniser
from pushforward.data.tokenisers.characters import Characters
from pushforward.data.tokenisers.dna import DNA
from pushforward.data.tokenisers.protein import Protein
from pushforward.data.tokenisers.smiles import Smiles

__all__ = ["describe_tokeniser", "rebuild_tokeniser"]

_TYPES = {kind.__name__: kind for kind in (Characters, DNA, Protein, Smiles)}


def describe_tokeniser(tokeniser: Tokeniser) -> dict[str, Any]:
    """Type and fields of a tokeniser.

    Raises: `InvalidInput` for one that is not ours, which could not be built again.

    Example:
        >>> describe_tokeniser(pf.data.DNA())
        {'type': 'DNA', 'padded': False}
    """
    kind = type(tokeniser)
    if _TYPES.get(kind.__name__) is not kind:
        raise InvalidInput(f"{kind.__name__} cannot be written down; use one of {', '.join(_TYPES)}")
    return {"type": kind.__name__, **{f.name: getattr(tokeniser, f.name) for f in fields(_TYPES[kind.__name__])}}


def rebuild_tokeniser(description: Mapping[str, Any]) -> Tokeniser:
    """The tokeniser that `describe_tokeniser` described.

    Example:
        >>> rebuild_tokeniser({"type": "Smiles", "symbols": ["C", "O"], "padded": True}).vocab
        3
    """
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in description.items() if k != "type"}
    name = description["type"]
    if name not in _TYPES:
        raise InvalidInput(f"unknown tokeniser {name!r}; {nearest(name, _TYPES)}")
    return _TYPES[name](**given)
