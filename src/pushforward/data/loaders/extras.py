"""Optional packages, imported when first needed."""

import importlib
from types import ModuleType

from pushforward.core import InvalidInput

__all__ = ["optional"]


def optional(module: str, purpose: str) -> ModuleType:
    """Import a package of the `files` extra, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InvalidInput(f"{purpose} needs {package}, which is missing; pip install 'pushforward[files]'") from error
