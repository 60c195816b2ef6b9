"""Noise that an encoder chooses for each row of data."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from pushforward.core import Cond, Field, Gen, Pairs, Path, State
from pushforward.couplings._batch import check_rows, check_tensors
from pushforward.couplings._encoder import GaussianHead
from pushforward.couplings.learned import Gaussian

__all__ = ["VariationalNoise"]


class VariationalNoise(nn.Module):
    r"""Variational noise coupling: a learned Gaussian encoder says which noise a row of data travels from.

    .. math:: x_0 = m_\phi(x_1) + s_\phi(x_1) \odot \epsilon, \qquad
              \text{penalty} = \mathrm{KL}\big(q_\phi(x_0 | x_1)\,\big\|\,N(0, I)\big)
              = \tfrac12 \sum (m^2 + s^2 - 1 - \log s^2)

    The noise of the batch is :math:`\epsilon`. Gradients of the objective reach :math:`\phi` through x_t and through
    the target. Of flow matching only :math:`\mathrm{E}\,\mathrm{tr}\,\mathrm{Cov}(x_1 - x_0 | x_t)` is left at the best
    velocity, so the encoder learns pairs whose paths do not cross: fewer steps do. Sampling starts from N(0, I).

    Without the penalty x0 becomes a function of x1, and the source that is sampled is not the one that was learned; the
    penalty bounds how far the mean of q over the data is from N(0, I), and a large strength gives the independent
    coupling back. It counts in nats, summed over coordinates, while the losses here are means over coordinates:
    a weight b beside a sum of squares over d coordinates is `strength=b / d`.

    The data marginal stays; that of the source moves by at most what the penalty measures.

    Source: Silvestri et al., Training Consistency Models with Variational Noise Coupling (ICML 2025),
        https://arxiv.org/abs/2502.18197; for flow matching Lee, Kim & Ye, Minimizing Trajectory Curvature of ODE-based
        Generative Models (ICML 2023), https://arxiv.org/abs/2301.12003. Differs: a multilayer perceptron for encoder,
        which starts as the independent coupling, bit for bit, and keeps s above 1e-3.

    Args:
        shape: Event shape.
        width: Units of a hidden layer of the encoder.
        depth: Number of hidden layers, >= 1.

    Shapes: `x0` (standard noise), `x1` `[B, *shape]`; the condition is passed on; the penalty is `[B]`.
    Raises: `InvalidInput` for batches of another shape or of unequal rows.

    Example:
        >>> pairs, penalty = VariationalNoise((2,)).pair_and_penalty(torch.ones(3, 2), torch.zeros(3, 2))
        >>> pairs.x0[0], penalty[0].item()
        (tensor([1., 1.], grad_fn=<SelectBackward0>), 0.0)
    """

    reads_noise = True

    def __init__(self, shape: Sequence[int], *, width: int = 256, depth: int = 2) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.first = nn.Linear(math.prod(self.shape), width)
        self.head = GaussianHead(self.shape, width, depth)

    def encode(self, x1: Tensor) -> Gaussian:
        """q(x0 | x1)."""
        return self.head(self.first(x1.reshape(len(x1), -1)), x1)

    def pair_and_penalty(
        self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None
    ) -> tuple[Pairs, Tensor]:
        """Pairs, and the divergence of every row's noise from N(0, I); `generator` is not used."""
        check_rows(x0, x1, cond)
        noise, data = check_tensors(x0, x1, self.shape)
        law = self.encode(data)
        return Pairs((law.draw(noise), data), cond=cond), law.kl()

    def forward(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """The pairs alone."""
        return self.pair_and_penalty(x0, x1, cond, generator=generator)[0]

    def check(self, path: Path | None) -> None:
        """Any path will do."""

    def field(self, field: Field, path: Path) -> Field:
        """The field as it is."""
        return field

    def source(self, cond: Cond) -> None:
        """The space's own noise."""
