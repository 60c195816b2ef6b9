"""The likelihood of sequences, told per symbol."""

from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["perplexity"]


def perplexity(log_prob: Float[Tensor, " b"], symbols: int) -> Float[Tensor, ""]:
    r"""The number of equally likely symbols among which a model is as undecided.

    .. math:: \exp\Big(-\frac1{B N} \sum_b \log p(x_b)\Big)

    Of a lower bound of log p (`inference.elbo`) an upper bound. Its logarithm is nats a symbol; the number of symbols
    is what knows nothing.

    Args:
        log_prob: Of whole rows, in nats `[B]`, or a lower bound of it.
        symbols: N, of a row.

    Example:
        >>> perplexity(torch.tensor([0.25, 0.25]).log() * 3, symbols=3)
        tensor(4.)
    """
    require(symbols >= 1, f"perplexity needs the number of symbols of a row, got {symbols}")
    return (-log_prob.mean() / symbols).exp()
