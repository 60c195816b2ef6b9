"""InfoNCE without positives."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pushforward.core import require
from pushforward.objectives.repulsions.pairs import squares

__all__ = ["CosineInfoNCE", "InfoNCE"]


@dataclass(frozen=True)
class InfoNCE:
    r"""The logarithm of the mean similarity of two rows.

    .. math:: \log \frac{1}{B (B - 1)} \sum_{i \ne j} \exp\Big( -\frac{\lVert h_i - h_j \rVert^2}{D\, \tau} \Big) \le 0

    It is 0 where all rows agree. The sum is led by the nearest rows: far ones are left alone.

    Source: Wang & He, Diffuse and Disperse (2025), https://arxiv.org/abs/2506.09027.

    Args:
        temperature: tau > 0.

    Shapes: `h` `[B, D]`; gives a scalar.

    Example:
        >>> InfoNCE(1.0)(torch.tensor([[0.0], [0.0], [3.0], [3.0]]))  # log((4 + 8 exp(-9)) / 12)
        tensor(-1.0984)
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        _check(self.temperature)

    def __call__(self, h: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        """The repulsion."""
        return _log_mean(squares(h) / self.temperature, h)


@dataclass(frozen=True)
class CosineInfoNCE:
    r"""`InfoNCE` of directions.

    .. math:: \log \frac{1}{B (B - 1)} \sum_{i \ne j} \exp\Big( -\frac{1 - \cos(h_i, h_j)}{\tau} \Big)

    Source: as for `InfoNCE`.

    Args:
        temperature: tau > 0.

    Example:
        >>> CosineInfoNCE(0.5)(torch.tensor([[1.0, 0.0], [0.0, 7.0]]))  # a right angle
        tensor(-2.)
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        _check(self.temperature)

    def __call__(self, h: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        """The repulsion."""
        apart = squares(functional.normalize(h, dim=1)) * (h.shape[1] / 2)  # 1 - cos = |a - b|^2 / 2 for unit a, b
        return _log_mean(apart / self.temperature, h)


def _check(temperature: float) -> None:
    require(0 < temperature < math.inf, f"temperature is {temperature}, expected a positive number")


def _log_mean(distances: Tensor, h: Tensor) -> Tensor:
    """log mean exp(-distance); a single row has none."""
    return (-distances).logsumexp(0) - math.log(len(distances)) if len(distances) else 0.0 * h.sum()
