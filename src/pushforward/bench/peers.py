"""Other libraries to race with."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from pushforward.core import nearest, require

__all__ = ["PEERS", "present"]

PEERS = {
    # its declared dependencies pull torchdyn, pytorch-lightning and another torch, of which the races need nothing
    "torchcfm": "pip install --no-deps torchcfm torchdiffeq",
    "pot": "pip install POT",
    "scipy": "pip install scipy",
    "geomloss": "pip install geomloss==0.3.1",
    "ott": "pip install ott-jax==0.6.0",
}
"""Every peer by the name it goes by, and how to install it."""

_MODULES = {"pot": "ot"}  # where a peer is imported by another name


def present(peers: Sequence[str], say: Callable[[str], object]) -> tuple[str, ...]:
    """Those of `peers` that are installed; for the others one sentence each.

    Raises: `InvalidInput` for an unknown peer, with the nearest name.

    Example:
        >>> present([], print)
        ()
    """
    for name in peers:
        require(name in PEERS, f"unknown peer {name!r}; {nearest(name, PEERS)}")
    found = tuple(name for name in dict.fromkeys(peers) if find_spec(_MODULES.get(name, name)))
    for name in peers:
        if name not in found:
            say(f"{name} is not installed and is left out; install it with `{PEERS[name]}`")
    return found
