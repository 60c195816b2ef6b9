"""How often short words occur."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import require

__all__ = ["kmer_distance"]

MOST_WORDS = 2**26


def kmer_distance(
    x: Int[Tensor, "n length"], y: Int[Tensor, "m length2"], k: int = 3, *, vocab: int | None = None
) -> Float[Tensor, ""]:
    r"""Total variation between the k-mer (n-gram) spectra of two sets of sequences.

    .. math:: \tfrac12 \sum_w |f_x(w) - f_y(w)|, \qquad f(w) = \text{share of } w \text{ among all windows of } k
              \text{ symbols}

    In [0, 1]; 0 says that words of k symbols are equally frequent, whatever stands further apart. Two sets of one law
    differ by the draw: measure that with `with_floor`.

    Args:
        x: Sequences `[n, L]` int64.
        y: Sequences `[m, L']`.
        k: Length of a word, at most that of the sequences.
        vocab: Number of symbols; what occurs if None.

    Raises: `InvalidInput` for words that are longer than sequences or too many to count (vocab^k above 2^26).

    Example:
        >>> a, b = torch.tensor([[0, 1, 0, 1]]), torch.tensor([[0, 1, 0, 0]])
        >>> kmer_distance(a, b, k=2)
        tensor(0.3333)
    """
    size = vocab if vocab is not None else 1 + int(max(x.max(), y.max()))
    short = min(x.shape[1], y.shape[1])
    require(1 <= k <= short, f"got words of k={k} symbols for sequences of {short}, expected 1 to {short}")
    require(size**k <= MOST_WORDS, f"{size} symbols have {size}^{k} words, too many to count; take a smaller k")
    return (_spectrum(x, k, size) - _spectrum(y, k, size).to(x.device)).abs().sum() / 2


def _spectrum(x: Tensor, k: int, size: int) -> Tensor:
    require(bool(((x >= 0) & (x < size)).all()), f"sequences have symbols outside 0 to {size - 1}; give vocab")
    weights = size ** torch.arange(k - 1, -1, -1, device=x.device)
    words = (x.unfold(1, k, 1) * weights).sum(-1).flatten()
    return torch.bincount(words, minlength=size**k).to(torch.get_default_dtype()) / len(words)
