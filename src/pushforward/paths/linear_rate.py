"""A rate of noise that is linear in time."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import require

__all__ = ["LinearRate"]


@dataclass(frozen=True)
class LinearRate:
    r"""Squared noise per unit of time, and how much of it there is before and after.

    .. math:: \beta_t = \beta_0 + t\,(\beta_1 - \beta_0), \qquad
              \int_0^t \beta_s\, ds = t\, \frac{\beta_0 + \beta_t}2, \qquad
              \int_t^1 \beta_s\, ds = (1 - t)\, \frac{\beta_t + \beta_1}2

    Args:
        first: beta_0 >= 0, in squared units of length.
        last: beta_1 >= 0; not both are 0.

    Raises: `InvalidInput` for rates out of range.

    Example:
        >>> rate = LinearRate(0.2, 0.0)
        >>> rate(torch.tensor([0.5])), rate.after(torch.tensor([0.5]))
        (tensor([0.1000]), tensor([0.0250]))
    """

    first: float = 0.1
    last: float = 0.0

    def __post_init__(self) -> None:
        require(
            0 <= self.first < float("inf") and 0 <= self.last < float("inf") and self.first + self.last > 0,
            f"LinearRate got first={self.first} and last={self.last}, expected finite rates >= 0, not both 0",
        )

    def __call__(self, t: Tensor) -> Tensor:
        """beta at times `[B]`."""
        return self.first + t * (self.last - self.first)

    def before(self, t: Tensor) -> Tensor:
        """Its integral from 0 to t."""
        return t * (self.first + self(t)) / 2

    def after(self, t: Tensor) -> Tensor:
        """Its integral from t to 1."""
        return (1 - t) * (self(t) + self.last) / 2
