"""Which spaces draw standard normal noise."""

from pushforward.core import Space
from pushforward.spaces.euclidean import Euclidean

__all__ = ["has_normal_noise", "noise_of"]


def has_normal_noise(space: Space) -> bool:
    """Whether the noise of a space is N(0, I): what reads a score from E[x0 | x_t] asks for it.

    Example:
        >>> has_normal_noise(pf.spaces.Euclidean()), has_normal_noise(pf.spaces.Box())
        (True, False)
    """
    return isinstance(space, Euclidean) and space.reference is None


def noise_of(space: Space) -> str:
    """What to call its noise in a message."""
    reference = getattr(space, "reference", None)
    return str(reference) if reference is not None else f"that of {space}"
