"""The network says the classes of data that are one-hot vectors."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import (
    AffinePath,
    Coeffs,
    Estimate,
    InvalidInput,
    Law,
    Path,
    Point,
    State,
    leaves,
    map_state,
    same_shape,
    shapes,
)
from pushforward.fields.ends import regular, require_affine

__all__ = ["OneHot", "OneHotLaw"]


class OneHotLaw(NamedTuple):
    r"""Independent classes, as vectors of flat space.

    .. math:: \mathrm E[y] = \mathrm{softmax}(\ell), \qquad
              \mathrm{loss}(y) = -\frac{\sum_{i, k} y_{ik} \log \mathrm{softmax}(\ell_i)_k}{\sum_{i, k} y_{ik}}

    A variable whose target is the zero vector is none, and counts nothing: so rows of different sizes share a shape.

    Shapes: logits `[B, *E, K]` and targets alike, or mappings of such.

    Example:
        >>> law = OneHotLaw(torch.zeros(1, 2, 4))
        >>> law.loss(torch.tensor([[[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]))
        tensor([1.3863])
    """

    logits: State

    @property
    def mean(self) -> State:
        """Probabilities."""
        return map_state(lambda leaf: leaf.to(torch.promote_types(leaf.dtype, torch.float32)).softmax(-1), self.logits)

    def loss(self, target: State) -> Tensor:
        """Cross-entropy `[B]`, mean over the variables that are there."""
        if not same_shape(self.logits, target):
            raise InvalidInput(
                f"the network gave shape {shapes(self.logits)} for one-hot vectors of shape {shapes(target)}; let it "
                "return one logit for each entry"
            )
        total, count = [], []
        for logits, y in zip(leaves(self.logits), _like(self.logits, target), strict=True):
            log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
            total.append(-(y * log_probs).flatten(1).sum(1))
            count.append(y.flatten(1).sum(1))
        return torch.stack(total).sum(0) / torch.stack(count).sum(0).clamp_min(1)


def _like(first: State, second: State) -> list[Tensor]:
    """The leaves of the second state in the order of the first one's names."""
    paired = map_state(lambda _, leaf: leaf, first, second)
    return leaves(paired)


@dataclass(frozen=True)
class OneHot:
    r"""Variational flow matching of classes: the network says their posterior, and its mean is the data end.

    .. math:: L = -\mathrm E \sum_i \log q_\theta(x_1^i \mid x_t, t), \qquad
              v = \tfrac{\sigma'}{\sigma}\, x + \tfrac{W}{\sigma}\, D, \quad
              D_i = \sum_k q_\theta(x_1^i = k \mid x_t, t)\, e_k

    Data are one-hot vectors in flat space, the source is normal noise, and nothing need stay on the simplex. Only the
    mean of the posterior enters the velocity, so independent classes lose nothing. Singular at t = 1, as `Endpoint`:
    the last answer (`NetEstimator(field)(x, t).x1`), by its largest entry, is the sample.

    Source: Eijkelboom et al., Variational Flow Matching for Graph Generation (NeurIPS 2024),
        https://arxiv.org/abs/2406.04843, its CatFlow. The loss has no weight 1 / (1 - t); a normal posterior in the
        place of classes is `Endpoint`.

    Raises: `Incompatible` (`check`) on a path that is not affine, or has latent noise.

    Example:
        >>> from pushforward.paths import Affine
        >>> head, x, t = OneHot(), torch.zeros(1, 4), torch.tensor([0.5])
        >>> head.velocity(Affine(), head.law(torch.zeros(1, 4), x, t), x, t)
        tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the velocity is regular."""
        return regular(path, sigma=True)

    def check(self, path: Path) -> None:
        """The path must tell both ends from one."""
        require_affine(path, "OneHot")

    def law(self, out: State, x: State, t: Tensor) -> OneHotLaw:
        """Independent classes."""
        return OneHotLaw(out)

    def target(self, path: Path, point: Point) -> State:
        """The data end of the pair."""
        return point.pairs.x1

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The path's motion towards the mean of the classes."""
        return require_affine(path, "OneHot").drift(law, x, t)

    def estimate(self, path: AffinePath, law: Law, x: State, t: Tensor) -> Estimate:
        """Both ends; the data end is the mean of the classes."""
        return path.from_endpoint(law.mean, x, t)

    def error(self, c: Coeffs) -> Tensor:
        """Size of its error, in the unit that all heads share."""
        return c.sigma
