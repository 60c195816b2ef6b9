"""Points on given curves."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.paths import Curve, Polyline

__all__ = ["OnCurves"]


@dataclass(frozen=True)
class OnCurves:
    r"""One of several curves, each alike, at a uniform time.

    .. math:: a = a^{(c)}(t), \qquad c \sim U\{1, \dots, C\},\ t \sim U[0, 1)

    `OnCurves.edges(K)` is where transport between any two of the marginals passes: all of the network is spent there,
    but other curves are not learned.

    Args:
        curves: At least one, all on the same simplex.

    Raises: `InvalidInput` for no curve, or curves of different simplices.

    Example:
        >>> a = OnCurves.edges(3)(100, torch.zeros(1))
        >>> a.shape, int((a == 0).sum())
        (torch.Size([100, 3]), 100)
    """

    curves: tuple[Curve, ...]

    def __post_init__(self) -> None:
        sizes = {curve.marginals for curve in self.curves}
        require(len(sizes) == 1, f"OnCurves got curves of {sorted(sizes)} marginals, expected one number for all")

    @classmethod
    def edges(cls, marginals: int) -> "OnCurves":
        """All edges of the simplex."""
        return cls(Polyline.edges(marginals))

    @property
    def marginals(self) -> int:
        """K."""
        return self.curves[0].marginals

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws `[size, K]`."""
        which, t = rand((2, size), like, generator=generator)
        index = (which * len(self.curves)).long()
        with torch.no_grad():  # the law is given, also where a curve has parameters
            every = torch.stack([curve(t)[0] for curve in self.curves])
        return every[index, torch.arange(size, device=index.device)]
