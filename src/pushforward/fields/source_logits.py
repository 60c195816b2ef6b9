"""The network says which symbol the source held."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from pushforward.core import Incompatible, Law, Path, Point, State, require
from pushforward.fields.categorical import Categorical
from pushforward.fields.ends import EDGE, require_tokens

__all__ = ["SourceLogits"]


@dataclass(frozen=True)
class SourceLogits:
    r"""The network says the posterior of every symbol of the source: noise prediction for tokens.

    .. math:: p_\theta^i(k \mid x, t) \approx \mathrm P(x_0^i = k \mid x_t = x), \qquad
              \check u_t(y, x) = \frac{\kappa'_t}{\kappa_t} \big[\delta_{x^i}(y) - p_\theta^i(y \mid x, t)\big]

    These are the rates of the way back: its entries off the diagonal are at most 0, so `Tokens.move` follows them with
    dt < 0, from data to noise, and stands still with dt > 0. As an equation for the marginals they are those of
    `Logits`: sum_x u(y, x) p_t(x) is the same.

    Source: the noise prediction of Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595.

    Raises: `Incompatible` (`check`) on a path of anything but tokens, and where the source is all mask, of which there
        is nothing to say.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2))
        >>> head, x, t = SourceLogits(), torch.tensor([[0]]), torch.tensor([0.5])
        >>> head.velocity(path, head.law(torch.zeros(1, 1, 2), x, t), x, t)
        tensor([[[ 1., -1.]]])
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the rates are finite."""
        return (EDGE, 1.0)

    def check(self, path: Path) -> None:
        """The path must be one of tokens, with noise that can be asked for."""
        space = require_tokens(path, "SourceLogits", "backward").space
        require(
            not space.mask,
            "SourceLogits asks for the source, which is all mask here; use Logits, or Tokens without the mask",
            Incompatible,
        )

    def law(self, out: State, x: State, t: Tensor) -> Categorical:
        """Independent symbols."""
        return Categorical(cast(Tensor, out))

    def target(self, path: Path, point: Point) -> State:
        """The source end of the pair."""
        return point.pairs.x0

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The path's rates backwards."""
        return require_tokens(path, "SourceLogits", "backward").backward(law, x, t)
