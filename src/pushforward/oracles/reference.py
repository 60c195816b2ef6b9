"""The mixture that the library's golden values belong to."""

from pushforward.oracles.gaussian_mixture import GaussianMixture

__all__ = ["reference_mixture"]


def reference_mixture() -> GaussianMixture:
    r"""Two Gaussians in the plane, one tilted and one round, in float64: small, and without a symmetry to hide behind.

    .. math:: 0.3\, N\!\left((-2, 1), \begin{pmatrix} .5 & .2 \\ .2 & .3 \end{pmatrix}\right)
              + 0.7\, N\!\left((2, -\tfrac12), \tfrac14 I\right), \qquad x_0 \sim N(0, I) \text{ independent}

    Example:
        >>> reference_mixture().log_prob(torch.zeros(1, 2, dtype=torch.float64))
        tensor([-9.2900], dtype=torch.float64)
    """
    covariances = [[[0.5, 0.2], [0.2, 0.3]], [[0.25, 0.0], [0.0, 0.25]]]
    return GaussianMixture([[-2.0, 1.0], [2.0, -0.5]], covariances, [0.3, 0.7])
