"""K independent Gaussians, and all weighted sums of them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Gen, Pairs, randn, require
from pushforward.oracles.algebra import Values, log_gaussian, to_tensor

__all__ = ["IndependentGaussians"]


class IndependentGaussians(nn.Module):
    r"""The exact conditional means of K independent Gaussians, the answer that `objectives.Multimarginal` looks for.

    .. math:: x(a) = \sum_k a_k x_k \sim N(m, C), \qquad C = \sum_k a_k^2 S_k, \qquad
              g_k(x, a) = \mathrm E[x_k | x(a) = x] = m_k + a_k S_k C^{-1} (x - m)

    It is called as the network would be, `oracle(x, a)`. The metric of `objectives.CurveEnergy` is

    .. math:: G_{kl}(a) = \mathrm E[g_k \cdot g_l] = m_k \cdot m_l + a_k a_l\, \mathrm{tr}(S_k C^{-1} S_l)

    Source: derived; the setting is that of Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling
        with Stochastic Interpolants (ICLR 2024), https://arxiv.org/abs/2310.03695.

    Args:
        means: `[K, d]`.
        covariances: `[K, d, d]`, symmetric positive definite; or variances `[K]` of round ones.

    Shapes: states `[B, d]`, points `[B, K]` (weights that sum to 1, of any sign); work is done in the dtype of `means`,
        answers have that of `x`. `cond` is ignored.
    Raises: `InvalidInput` for shapes that do not fit and covariances that are not symmetric positive definite.

    Example:
        >>> oracle = IndependentGaussians([[0.0], [4.0], [9.0]], [1.0, 1.0, 4.0])
        >>> oracle(torch.tensor([[5.0]]), torch.tensor([[0.5, 0.5, 0.0]]))
        tensor([[[3.],
                 [7.],
                 [9.]]])
    """

    means: Tensor
    covariances: Tensor

    def __init__(self, means: Values, covariances: Values) -> None:
        super().__init__()
        mu = to_tensor("means", means)
        require(mu.ndim == 2 and mu.numel() > 0, f"means has shape {list(mu.shape)}, expected [K, d]")
        K, d = mu.shape
        S = to_tensor("covariances", covariances, mu)
        S = S[:, None, None] * torch.eye(d).to(mu) if S.shape == (K,) else S
        require(S.shape == (K, d, d), f"covariances has shape {list(S.shape)}, expected {[K, d, d]} or {[K]}")
        require(
            torch.allclose(S, S.mT) and bool((torch.linalg.eigvalsh(S) > 0).all()),
            "covariances are not all symmetric positive definite; a sum of squares plus a small multiple of the "
            "identity is",
        )
        self.register_buffer("means", mu)
        self.register_buffer("covariances", S)

    def forward(self, x: Float[Tensor, "b d"], a: Float[Tensor, "b k"], cond: Cond = None) -> Float[Tensor, "b k d"]:
        """g_k for all k."""
        a = a.to(self.means)
        q, _ = self._whitened(x, a)
        lag = torch.einsum("kij,bj->bki", self.covariances, q)
        return (self.means + a[..., None] * lag).to(x.dtype)

    def score(self, x: Float[Tensor, "b d"], a: Float[Tensor, "b k"]) -> Float[Tensor, "b d"]:
        """grad log p of x(a)."""
        return -self._whitened(x, a)[0].to(x.dtype)

    def log_prob(self, x: Float[Tensor, "b d"], a: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
        """Log-density of x(a), in nats."""
        return self._whitened(x, a)[1].to(x.dtype)

    def covariance(self, a: Float[Tensor, "b k"]) -> Float[Tensor, "b d d"]:
        """C, of x(a)."""
        return torch.einsum("bk,kij->bij", a.to(self.means).square(), self.covariances)

    def metric(self, a: Float[Tensor, "b k"]) -> Float[Tensor, "b k k"]:
        """G, so that the kinetic energy along a curve is the integral of a' . G(a) a'."""
        a = a.to(self.means)
        S, d = self.covariances, self.means.shape[1]
        flat = S.movedim(0, 1).reshape(d, -1)  # [d, K d]
        solved = torch.linalg.solve(self.covariance(a), flat).unflatten(-1, (-1, d))  # C^-1 S_l, [B, d, K, d]
        traces = torch.einsum("kij,bjli->bkl", S, solved)
        return self.means @ self.means.mT + a[:, :, None] * a[:, None, :] * traces

    def sample_pairs(self, n: int, *, generator: Gen = None) -> Pairs:
        """`n` joint draws of all K."""
        K, d = self.means.shape
        z = randn((K, n, d), self.means, generator=generator)
        x = self.means[:, None] + z @ torch.linalg.cholesky(self.covariances).mT
        return Pairs(tuple(x), tuple(k / max(K - 1, 1) for k in range(K)))

    def _whitened(self, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """C^-1 (x - m) and the log-density."""
        a = a.to(self.means)
        return log_gaussian(x.to(self.means) - a @ self.means, torch.linalg.cholesky(self.covariance(a)))
