"""Metrics of symbols."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import kmer_distance, perplexity, table_kl, table_variation, table_variation_floor
from pushforward.oracles import TokenLaw


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


TABLE = torch.tensor([[0.30, 0.02, 0.10], [0.05, 0.08, 0.15], [0.15, 0.12, 0.03]], dtype=torch.float64)


def test_draws_of_the_table_have_the_floor_and_the_bias_of_the_divergence():
    law, n = TokenLaw(TABLE), 500
    draws = [law.sample(n, generator=gen(k)) for k in range(200)]
    variation = torch.stack([table_variation(x, TABLE) for x in draws])
    assert variation.mean().item() == pytest.approx(table_variation_floor(TABLE, n), rel=0.05)
    divergence = torch.stack([table_kl(x, TABLE) for x in draws])
    # 2 n KL is chi-square of 8 degrees: mean 8, standard deviation 4 / sqrt(200)
    assert (2 * n * divergence.mean()).item() == pytest.approx(8, abs=4 * 4 / 200**0.5)


def test_what_the_table_does_not_have_counts_as_wrong():
    x = torch.tensor([[0, 0], [3, 0], [0, -1], [0, 0]])
    assert table_variation(x, torch.eye(3, dtype=torch.float64)[:1].T * torch.eye(3)[:1]).item() == 0.5
    assert table_kl(x, TABLE).isinf()
    with pytest.raises(InvalidInput, match=r"expected int64 \[N, 2\]"):
        table_variation(torch.zeros(4, 3, dtype=torch.int64), TABLE)


def test_axes_are_told_apart():
    x = torch.tensor([[0, 1]])
    table = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    assert table_variation(x, table) == 0
    assert table_variation(x, table.T) == 1


def test_spectra_of_words_see_as_far_as_the_word():
    """Runs of two alternating symbols, and pairs of equal ones: singles agree, neighbours do not."""
    a, b = torch.tensor([[0, 1] * 10]), torch.tensor([[0, 0, 1, 1] * 5])
    assert kmer_distance(a, b, k=1) == 0
    words = kmer_distance(a, b, k=2)  # (01, 10) 10 and 9 of 19; (00, 01, 11, 10) 5, 5, 5, 4 of 19
    assert words.item() == pytest.approx(10 / 19)
    assert kmer_distance(a, a, k=4) == 0
    assert kmer_distance(a, a + 2, k=2) == 1
    assert kmer_distance(a, a[:, :7], k=3, vocab=4) > 0  # an uneven number of windows


def test_random_words_have_the_law_of_their_symbols():
    p = torch.tensor([0.5, 0.3, 0.2])
    x = torch.multinomial(p, 40_000, replacement=True, generator=gen()).reshape(400, 100)
    y = torch.multinomial(p, 40_000, replacement=True, generator=gen(1)).reshape(400, 100)
    floor = 2**0.5 * table_variation_floor(torch.einsum("i,j,k->ijk", p, p, p), 400 * 98)
    assert kmer_distance(x, y, k=3) < 2 * floor  # windows overlap: fewer of them count


def test_words_too_long_or_too_many_are_refused():
    x = torch.zeros(2, 5, dtype=torch.int64)
    with pytest.raises(InvalidInput, match="expected 1 to 5"):
        kmer_distance(x, x, k=6)
    with pytest.raises(InvalidInput, match="too many to count"):
        kmer_distance(x, x, k=5, vocab=1000)
    with pytest.raises(InvalidInput, match="outside 0 to 1"):
        kmer_distance(x + 2, x, k=1, vocab=2)


def test_perplexity_of_guessing_is_the_number_of_symbols():
    assert perplexity(torch.full((5,), -6.0) * torch.log(torch.tensor(7.0)), 6).item() == pytest.approx(7, rel=1e-5)
    with pytest.raises(InvalidInput, match="number of symbols"):
        perplexity(torch.zeros(2), 0)
