"""Mixtures of joint Gaussians of source and data."""

import math
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, Pairs, rand, randn, require
from pushforward.oracles.algebra import Values, log_gaussian, pick, spectral, symmetric, to_tensor
from pushforward.oracles.along import Along

__all__ = ["GaussianMixture"]


def _covariances(name: str, value: Values, means: Tensor) -> Tensor:
    """Positive definite matrices `[K, d, d]` from full `[K, d, d]`, diagonal `[K, d]` or isotropic `[K]` variances."""
    K, d = means.shape
    S = to_tensor(name, value, means)
    given = list(S.shape)
    if S.shape == (K,):
        S = S[:, None].expand(K, d)
    if S.shape == (K, d):
        S = torch.diag_embed(S)
    require(
        S.shape == (K, d, d),
        f"{name} has shape {given}, expected {[K, d, d]} (full), {[K, d]} (diagonal) or {[K]} (isotropic variances)",
    )
    gap = float((S - S.mT).abs().amax())
    slack = math.sqrt(torch.finfo(S.dtype).eps) * float(S.abs().amax())
    require(
        gap <= slack, f"{name} is not symmetric (entries differ by {gap:.3g}); give (S + S.mT) / 2 if that is meant"
    )
    bad = torch.linalg.cholesky_ex(S).info.nonzero()[:, 0].tolist()
    require(not bad, f"{name}{bad[:1]} is not positive definite; expected variances, not zero and not negative")
    return symmetric(S)


class GaussianMixture(nn.Module):
    r"""Mixture of joint Gaussians of source x0 and data x1, in which all that a flow model learns is known.

    .. math:: \pi(x_0, x_1) = \sum_k w_k\, N\!\left(\begin{pmatrix} m^0_k \\ \mu_k \end{pmatrix},
              \begin{pmatrix} S^0_k & G_k \\ G_k^\top & S_k \end{pmatrix}\right)

    `sample`, `log_prob`, `posterior` and `tilt` speak of the data x1; `along(path)` gives the exact field.

    Source: derived; with an independent normal source it is the mixture of Albergo, Boffi & Vanden-Eijnden, Stochastic
        Interpolants (2023), https://arxiv.org/abs/2303.08797.

    Args:
        means: Data means `[K, d]`. Their dtype and device are the mixture's; plain numbers become float64. `.to(...)`
            moves the mixture, whose precision is that of all work done with it.
        covariances: Data covariances, `[K, d, d]`; also `[K, d]` for diagonals or `[K]` for isotropic variances.
        weights: Probabilities `[K]`; None for equal ones.
        source_means: Means of x0, `[K, d]`; None for 0.
        source_covariances: Covariances of x0, shaped as `covariances`; None for I.
        cross: Cov(x0, x1), `[K, d, d]`, rows x0; None for independent ends. See `gaussian_ot`, `entropic_cross`.

    Shapes: states `[B, d]`, answers in the dtype of the state.
    Raises: `InvalidInput` for shapes that do not fit, weights that are no probabilities, covariances that are not
        symmetric positive definite, joint covariances that are not positive semi-definite.

    Example:
        >>> mixture = GaussianMixture([[-2.0, 0.0], [2.0, 0.0]], [1.0, 1.0])
        >>> exact = mixture.along(pf.paths.Affine())
        >>> exact(torch.tensor([[1.0, 0.0]]), torch.tensor([0.5]))
        tensor([[1.9281, 0.0000]])
    """

    means: Tensor
    covariances: Tensor
    log_weights: Tensor
    source_means: Tensor
    source_covariances: Tensor
    cross: Tensor

    def __init__(
        self,
        means: Values,
        covariances: Values,
        weights: Values | None = None,
        *,
        source_means: Values | None = None,
        source_covariances: Values | None = None,
        cross: Values | None = None,
    ) -> None:
        super().__init__()
        mu = to_tensor("means", means)
        require(
            mu.ndim == 2 and mu.numel() > 0, f"means has shape {list(mu.shape)}, expected [K, d]: one row per component"
        )
        K, d = mu.shape
        w = mu.new_full((K,), 1 / K) if weights is None else to_tensor("weights", weights, mu)
        require(w.shape == (K,), f"weights has shape {list(w.shape)}, expected {[K]}: one per row of means")
        total = float(w.sum())
        require(
            bool((w >= 0).all()) and abs(total - 1) < 1e-5,
            f"weights are {[round(v, 6) for v in w.tolist()]} and sum to {total:.6g}, expected probabilities; "
            "divide by their sum",
        )
        m0 = torch.zeros_like(mu) if source_means is None else to_tensor("source_means", source_means, mu)
        require(m0.shape == mu.shape, f"source_means has shape {list(m0.shape)}, expected {[K, d]} as means")
        S = _covariances("covariances", covariances, mu)
        ones = torch.ones_like(w)
        S0 = _covariances("source_covariances", ones if source_covariances is None else source_covariances, mu)
        G = torch.zeros_like(S) if cross is None else to_tensor("cross", cross, mu)
        require(G.shape == S.shape, f"cross has shape {list(G.shape)}, expected {[K, d, d]}: Cov(x0, x1) per component")
        joint = torch.cat([torch.cat([S0, G], -1), torch.cat([G.mT, S], -1)], -2)
        values = torch.linalg.eigvalsh(joint.detach())
        slack = math.sqrt(torch.finfo(mu.dtype).eps) * values[:, -1]  # optimal couplings are singular up to rounding
        bad = (values[:, 0] < -slack).nonzero()[:, 0].tolist()
        require(
            not bad,
            f"cross{bad[:1]} is too large: the joint covariance of (x0, x1) has a negative eigenvalue; scale it down",
        )
        self.register_buffer("means", mu)
        self.register_buffer("covariances", S)
        self.register_buffer("log_weights", w.log().log_softmax(0))
        self.register_buffer("source_means", m0)
        self.register_buffer("source_covariances", S0)
        self.register_buffer("cross", G)

    @property
    def weights(self) -> Float[Tensor, " k"]:
        """Probabilities of the components."""
        return self.log_weights.exp()

    def along(self, path: Any) -> Along:
        """The exact field of this mixture on an affine path; `path` as in `Along`."""
        return Along(self, path)

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` draws of x1."""
        return cast(Tensor, self.sample_pairs(n, generator=generator).x1)

    def sample_pairs(self, n: int, *, generator: Gen = None) -> Pairs:
        """`n` joint draws of (x0, x1)."""
        component = pick(self.weights, rand((n,), self.means, generator=generator))
        return Pairs(self.sample_component(component, generator=generator))

    def sample_component(self, component: Tensor, *, generator: Gen = None) -> tuple[Tensor, Tensor]:
        """One joint draw (x0, x1) from each component named in `component` `[n]`."""
        n, d = len(component), self.means.shape[1]
        z0, z1 = randn((2, n, d), self.means, generator=generator)
        back = torch.linalg.solve(self.source_covariances, self.cross).mT  # G^T S0^-1: mean of x1 given x0
        left = spectral(symmetric(self.covariances - back @ self.cross), torch.sqrt)  # may be singular, so no Cholesky
        x0 = torch.einsum("kij,nj->nki", torch.linalg.cholesky(self.source_covariances), z0)
        x1 = torch.einsum("kij,nkj->nki", back, x0) + torch.einsum("kij,nj->nki", left, z1)
        row = torch.arange(n, device=component.device)
        return (self.source_means + x0)[row, component], (self.means + x1)[row, component]

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Log-density of x1 at `x`, in nats."""
        residual = x.to(self.means.dtype)[:, None] - self.means
        _, log_density = log_gaussian(residual, torch.linalg.cholesky(self.covariances))
        return (self.log_weights + log_density).logsumexp(1).to(x.dtype)

    def posterior(self, A: Values, y: Values, noise_std: float) -> "GaussianMixture":
        r"""Law of the ends given a linear measurement of x1, again a mixture.

        .. math:: y = A x_1 + \varsigma n, \qquad p(x_0, x_1 | y) \propto \pi(x_0, x_1)\, N(y; A x_1, \varsigma^2 I)

        An independent source stays as it is, so `posterior(...).along(path)` is the exact conditional field.

        Args:
            A: Measurement `[m, d]`.
            y: What was measured, `[m]`.
            noise_std: Standard deviation of each entry of y, > 0.

        Raises: `InvalidInput` for shapes that do not fit, and for a noise below what a covariance in the mixture's
            dtype can hold beside the unmeasured axes.
        """
        parts = self._measured(A, y, noise_std)
        require(
            not bool(torch.linalg.cholesky_ex(parts[-1]).info.any()),
            f"noise_std is {noise_std}, so small that the posterior is flat in {parts[-1].dtype}; use more of it"
            + ("" if parts[-1].dtype == torch.float64 else " or a mixture in float64"),
        )
        return self._reweighted(*parts)

    def log_evidence(self, A: Values, y: Values, noise_std: float) -> Float[Tensor, ""]:
        """log p(y) of the measurement in `posterior`, in nats."""
        return self._measured(A, y, noise_std)[0].logsumexp(0)

    def tilt(self, linear: Values | None = None, quadratic: Values | None = None) -> "GaussianMixture":
        r"""Exponential tilt of the law of x1, again a mixture; x0 given x1 stays as it is.

        .. math:: \pi(x_0, x_1)\, e^{r(x_1)} / Z, \qquad r(x) = a \cdot x - \tfrac12\, x \cdot Q x

        Args:
            linear: a, `[d]`; None for 0.
            quadratic: Q, `[d, d]`, of which the symmetric part counts; None for 0. May be indefinite as long as every
                S_k^{-1} + Q is positive definite.

        Raises: `InvalidInput` when some S_k^{-1} + Q is not positive definite, so that Z is infinite.
        """
        return self._reweighted(*self._tilted(linear, quadratic))

    def log_normaliser(self, linear: Values | None = None, quadratic: Values | None = None) -> Float[Tensor, ""]:
        """log Z = log E exp r(x1) of the tilt in `tilt`."""
        return self._tilted(linear, quadratic)[0].logsumexp(0)

    def _measured(self, A: Values, y: Values, noise_std: float) -> tuple[Tensor, Tensor, Tensor]:
        r"""Log-weights (unnormalised), means and covariances given y = A x1 + noise.

        The square-root form of the Kalman update (array form): with S = L L^T, one QR decomposition gives

        .. math:: \begin{pmatrix} \varsigma I & 0 \\ L^\top A^\top & L^\top \end{pmatrix}
                  = Q \begin{pmatrix} R & H \\ 0 & P \end{pmatrix}, \qquad
                  R^\top R = A S A^\top + \varsigma^2 I, \quad S' = P^\top P, \quad
                  \mu' = \mu + H^\top R^{-\top} (y - A\mu)

        Nothing large is subtracted, so that noise far below the spread of the data costs no digits.
        """
        K, d = self.means.shape
        matrix, seen = to_tensor("A", A, self.means), to_tensor("y", y, self.means)
        require(
            matrix.ndim == 2 and matrix.shape[1] == d,
            f"A has shape {list(matrix.shape)}, expected [m, {d}]: y = A x1 + noise",
        )
        m = len(matrix)
        require(seen.shape == (m,), f"y has shape {list(seen.shape)}, expected {[m]}: one entry per row of A")
        require(noise_std > 0, f"noise_std is {noise_std}, expected > 0; without noise the posterior has no density")
        L = torch.linalg.cholesky(self.covariances)
        top = torch.cat([noise_std * torch.eye(m).to(L), torch.zeros(m, d).to(L)], -1).expand(K, m, m + d)
        R = torch.linalg.qr(torch.cat([top, torch.cat([(matrix @ L).mT, L.mT], -1)], -2)).R
        root, lag, left = R[:, :m, :m], R[:, :m, m:], R[:, m:, m:]
        miss = torch.linalg.solve_triangular(root.mT, (seen - self.means @ matrix.mT)[..., None], upper=False)
        log_det = root.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        log_density = -miss.square().sum((-2, -1)) / 2 - log_det - m * math.log(2 * math.pi) / 2
        return self.log_weights + log_density, self.means + (lag.mT @ miss)[..., 0], left.mT @ left

    def _tilted(self, linear: Values | None, quadratic: Values | None) -> tuple[Tensor, Tensor, Tensor]:
        """The tilt by a.x - x.Qx/2."""
        d = self.means.shape[1]
        a = self.means.new_zeros(d) if linear is None else to_tensor("linear", linear, self.means)
        Q = self.means.new_zeros(d, d) if quadratic is None else to_tensor("quadratic", quadratic, self.means)
        require(
            a.shape == (d,),
            f"linear has shape {list(a.shape)}, expected {[d]}: r(x) = linear . x - x . quadratic x / 2",
        )
        require(
            Q.shape == (d, d),
            f"quadratic has shape {list(Q.shape)}, expected {[d, d]}: r(x) = linear . x - x . quadratic x / 2",
        )
        Q = symmetric(Q)
        bent = self.means @ Q
        return self._tilted_by(self.means @ a - (bent * self.means).sum(-1) / 2, a - bent, Q)

    def _tilted_by(self, value: Tensor, slope: Tensor, Q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Log-weights (unnormalised), means and covariances after a tilt by r with curvature -Q.

        With S = L L^T, M = I + L^T Q L, and the value r and slope g of the tilt at the mean (derived: complete the
        square around the mean, where nothing large cancels):

        .. math:: S' = L M^{-1} L^\top, \quad \mu' = \mu + S' g, \quad
                  \log Z = r + \tfrac12\, g \cdot S' g - \tfrac12 \log\det M
        """
        L = torch.linalg.cholesky(self.covariances)
        R, info = torch.linalg.cholesky_ex(torch.eye(L.shape[-1]).to(L) + symmetric(L.mT @ Q @ L))
        bad = info.nonzero()[:, 0].tolist()
        require(
            not bad,
            f"quadratic bends upwards more than component {bad[:1]} bends down, so exp(r) has no finite mean; "
            "make covariance^-1 + quadratic positive definite",
        )
        F = torch.linalg.solve_triangular(R, L.mT, upper=False)
        S = F.mT @ F
        shift = (S @ slope[..., None])[..., 0]
        log_z = value + (slope * shift).sum(-1) / 2 - R.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self.log_weights + log_z, self.means + shift, S

    def _reweighted(self, log_weights: Tensor, means: Tensor, covariances: Tensor) -> "GaussianMixture":
        """New components for x1; x0 given x1 keeps its law, x0 = m0 + B (x1 - mu) + rest with B = G S^-1."""
        B = torch.linalg.solve(self.covariances, self.cross.mT).mT
        out = GaussianMixture(
            means,
            covariances,
            log_weights.softmax(0),
            source_means=self.source_means + (B @ (means - self.means)[..., None])[..., 0],
            source_covariances=symmetric(self.source_covariances + B @ (covariances - self.covariances) @ B.mT),
            cross=B @ covariances,
        )
        out.log_weights = log_weights.log_softmax(0)  # exact where the probability underflows
        return out
