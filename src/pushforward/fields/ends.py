"""Which paths let a network speak of their ends."""

from pushforward.core import AffinePath, EndpointPath, Incompatible, Path, require

__all__ = ["require_affine", "require_endpoint"]


def _require_no_latent(path: Path, head: str) -> None:
    require(
        getattr(path, "latent", None) is None,
        f"with latent noise the motion does not follow from one end alone, so {head} cannot be used; "
        "use Velocity, or a path with latent=None",
        Incompatible,
    )


def require_endpoint(path: Path, head: str) -> EndpointPath:
    """The path, if its motion follows from the law of x1 given x_t."""
    if not isinstance(path, EndpointPath):
        raise Incompatible(f"{head} needs a path with `drift`, which {type(path).__name__} lacks; use Velocity")
    _require_no_latent(path, head)
    return path


def require_affine(path: Path, head: str) -> AffinePath:
    """The path, if x_t = alpha x1 + sigma x0."""
    if not isinstance(path, AffinePath):
        raise Incompatible(f"{head} needs an affine path, got {type(path).__name__}; use Velocity")
    _require_no_latent(path, head)
    return path
