"""Models that count are laws, and say what they should; the suite writes what it measured."""

import math
from itertools import product

import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.characters import CharactersSuite
from pushforward.bench.ngrams import chosen_discount, kneser_ney, nats


def text(n, vocab=3, seed=0):
    return torch.randint(vocab, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_model_is_a_law_after_every_history(order):
    model = kneser_ney(text(40), order, 4, 0.7)  # symbol 3 never occurs, and neither do histories with it
    assert model.shape == (4,) * order
    torch.testing.assert_close(model.sum(-1), torch.ones((4,) * (order - 1), dtype=torch.float64))
    assert (model > 0).all()


def test_kneser_ney_by_hand():
    """The bigrams of "aabab" are aa, ab, ba, ab; in front of a stand a, b, in front of b stands a."""
    discount, shares = 0.5, [2 + 1, 1 + 1]
    model = kneser_ney(torch.tensor([0, 0, 1, 0, 1]), 2, 2, discount)
    below = [share / sum(shares) for share in shares]
    after_a = [(1 - discount) / 3 + discount * 2 / 3 * below[0], (2 - discount) / 3 + discount * 2 / 3 * below[1]]
    after_b = [(1 - discount) / 1 + discount * 1 / 1 * below[0], discount * below[1]]
    assert model.flatten().tolist() == pytest.approx([*after_a, *after_b])


def test_longer_histories_tell_more_of_a_chain_and_reach_its_entropy():
    """A second-order chain: the xor of the last two symbols, three times in four. Its entropy is that of a coin."""
    flips = (torch.rand(40_000, generator=torch.Generator().manual_seed(0)) < 0.25).long().tolist()
    chain = [0, 1]
    for flip in flips:
        chain.append((chain[-1] ^ chain[-2]) ^ flip)
    x = torch.tensor(chain)
    train, test = x[:36_000], x[36_000:]
    found = [nats(kneser_ney(train, n, 2, chosen_discount(train, n, 2)), test) for n in (1, 2, 3)]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    # four standard deviations of -log p over 4000 symbols: log 3 sqrt(3/16) / sqrt(4000)
    assert found[2] == pytest.approx(entropy, abs=4 * math.log(3) * math.sqrt(3 / 16 / 4000))
    assert found[0] > found[2] + 0.05
    assert found[1] > found[2] + 0.05


def test_nats_are_of_the_symbols_that_have_a_history():
    model = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64)
    assert nats(model, torch.tensor([1, 0, 1])) == pytest.approx(-(math.log(0.25) + math.log(0.5)) / 2)
    assert all(nats(model, torch.tensor(pair)) > 0 for pair in product((0, 1), repeat=2))


@pytest.mark.story
def test_the_suite_measures_and_writes_texts(tmp_path):
    file, lines = tmp_path / "text.txt", []
    file.write_text("hello world, hello sea.\n" * 200)
    suite = CharactersSuite(path=str(file), steps=2, windows=2, strata=2, samples=2)
    rows = [row for case in suite.measure(Job((), tmp_path, lines.append)) for row in case]
    found = {(row.method, row.metric): row.value for row in rows}
    counted = [found[f"{name}, Kneser-Ney", "nats_per_character"] for name in ("unigram", "bigram", "trigram")]
    assert counted == sorted(counted, reverse=True)
    assert found["flow, bound", "nats_per_character"] > counted[2]
    assert found["flow, bound", "standard_error"] > 0
    assert found["flow, bound", "training_cpu_minutes"] > 0
    assert 0 <= found["flow, samples", "trigram_distance"] <= 1
    assert len((tmp_path / "characters.txt").read_text()) > 2 * 128
    assert all("quick (2 steps)" in row.case for row in rows)
