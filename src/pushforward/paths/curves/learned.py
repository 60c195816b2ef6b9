"""A curve on the simplex that is trained."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import require

__all__ = ["LearnedCurve"]


class LearnedCurve(nn.Module):
    r"""A smooth curve between two corners of the simplex, with parameters.

    .. math:: a_k(t) = \frac{b_k(t)\, e^{h_k(t)}}{\sum_j b_j(t)\, e^{h_j(t)}}, \qquad
              b_i = 1 - t,\quad b_j = t,\quad b_k = t (1 - t) \text{ for the others}, \qquad
              h_k(t) = \sum_m c_{km} T_m(2t - 1)

    The ends are fixed by b and the weights are positive between them, whatever the parameters c; T are Chebyshev's
    polynomials. It starts on the edge at constant speed, but for a share of at most `share` of the other marginals at
    t = 1/2. What is searched is said by an objective, `objectives.CurveEnergy`.

    Source: Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling with Stochastic Interpolants
        (ICLR 2024), https://arxiv.org/abs/2310.03695, which optimises the path on the simplex. Differs: this
        parametrisation, whose ends need no penalty.

    Args:
        start: Corner at t = 0.
        stop: Corner at t = 1, another one.
        marginals: K >= 2.
        degree: Of the polynomials h, >= 0.
        share: In (0, 1), of the other marginals together at t = 1/2, before training.

    Shapes: `t` `[B]` gives a and a', `[B, K]`.
    Raises: `InvalidInput` for corners that are equal or do not exist, and for sizes out of range.

    Example:
        >>> curve = LearnedCurve(0, 1, marginals=3)
        >>> curve(torch.tensor([0.0, 0.5, 1.0]))[0]
        tensor([[1.0000, 0.0000, 0.0000],
                [0.4500, 0.4500, 0.1000],
                [0.0000, 1.0000, 0.0000]], grad_fn=<DivBackward0>)
    """

    def __init__(self, start: int, stop: int, *, marginals: int, degree: int = 6, share: float = 0.1) -> None:
        super().__init__()
        require(
            start != stop and 0 <= start < marginals and 0 <= stop < marginals,
            f"LearnedCurve goes from corner {start} to corner {stop} of {marginals} marginals; give two of the "
            f"corners 0 to {marginals - 1}",
        )
        require(
            degree >= 0 and 0 < share < 1, f"LearnedCurve needs degree >= 0 and 0 < share < 1, got {degree}, {share}"
        )
        self.start, self.stop, self.marginals, self.degree = start, stop, marginals, degree
        coefficients = torch.zeros(marginals, degree + 1)
        others = [k for k in range(marginals) if k not in (start, stop)]
        # at t = 1/2 the ends weigh 1/2 each and an other one exp(h) / 4
        height = 4 * share / (1 - share) / max(len(others), 1)
        coefficients[others, 0] = torch.tensor(height).log()
        self.coefficients = nn.Parameter(coefficients)

    def forward(self, t: Float[Tensor, " b"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Weights and their derivatives."""
        values, slopes = _chebyshev(2 * t - 1, self.degree)
        c, corner = self.coefficients.to(t), torch.arange(self.marginals, device=t.device)
        h, d_h = values @ c.T, 2 * slopes @ c.T
        height = (h - h.detach().amax(1, keepdim=True)).exp()  # a factor of a whole row cancels
        late, early = (corner != self.start).to(t), (corner != self.stop).to(t)
        rise, fall = 1 + late * (t[:, None] - 1), 1 - early * t[:, None]  # t and 1 - t, or 1
        b, d_b = rise * fall, late * fall - early * rise
        n, d_n = b * height, (d_b + b * d_h) * height
        total, d_total = n.sum(1, keepdim=True), d_n.sum(1, keepdim=True)
        return n / total, (d_n - n * d_total / total) / total


def _chebyshev(s: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """T_0 to T_degree at `s` `[B]`, and their derivatives, `[B, degree + 1]` each."""
    values, slopes = [torch.ones_like(s), s], [torch.zeros_like(s), torch.ones_like(s)]
    for _ in range(degree - 1):
        slopes.append(2 * values[-1] + 2 * s * slopes[-1] - slopes[-2])
        values.append(2 * s * values[-1] - values[-2])
    return torch.stack(values[: degree + 1], 1), torch.stack(slopes[: degree + 1], 1)
