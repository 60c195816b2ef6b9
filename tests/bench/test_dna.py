"""DNA: made promoters in place of real ones."""

import csv
import gzip
import io

import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.dna import DNAPromoters
from pushforward.bench.dna_figure import logo_heights
from pushforward.bench.dna_guided import GuidedDNA
from pushforward.bench.dna_parts import Box, Recognise, hamming, has_box, promoters, rows_of, spectrum_distance
from pushforward.core import Pairs
from pushforward.paths import Mixture
from pushforward.spaces import Tokens

BOX = "TATAAT"
ORGANISMS = {"bacillus": "AT", "ecoli": "CG"}  # what their letters are mostly


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """90 rows of each of four classes: letters of the organism's taste, and in promoters a box at -12."""
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    table, drawn = io.StringIO(), gen()
    writer = csv.writer(table)
    writer.writerow(["organism", "promoter", "split", "sequence"])
    for organism, taste in ORGANISMS.items():
        letters = taste * 3 + "ACGT"
        for k in range(180):
            text = "".join(letters[i] for i in torch.randint(len(letters), (81,), generator=drawn))
            split = ("train", "val", "test", "train", "train")[k % 5]
            writer.writerow([organism, k % 2, split, text[:48] + BOX + text[54:] if k % 2 else text])
    (tmp_path / "sequence").mkdir()
    (tmp_path / "sequence" / "dna_promoters.csv.gz").write_bytes(gzip.compress(table.getvalue().encode()))
    return tmp_path


def by_row(suite, out):
    lines = []
    rows = [row for part in suite.measure(Job((), out, lines.append)) for row in part]
    return {(row.case.split(": ")[-1], row.method, row.metric): row.value for row in rows}, rows, lines


def test_parts_are_apart_and_of_the_classes(made):
    parts = promoters("bacillus", "ecoli")
    assert parts.names == ("bacillus, other", "bacillus, promoter", "ecoli, other", "ecoli, promoter")
    sizes = [len(part) for part in parts[:3]]
    assert sizes == [259, 29, 72]  # of 360 a fifth held out, of the rest a tenth to stop by
    texts = [set(map(tuple, rows_of(part)[0].tolist())) for part in (parts.learn, parts.stop, parts.held)]
    assert len(set.union(*texts)) == 360
    x, label = rows_of(parts.held)
    assert has_box(x, Box(BOX, -15, -8), 60)[label % 2 == 1].all()
    assert torch.bincount(label).tolist() == [18] * 4


def test_a_box_may_differ_in_one_letter_and_stand_in_a_range():
    """Every place and every pair of changes, against strings."""
    box = Box(BOX, -15, -8)
    for first in range(40, 60):
        for changes in range(3):
            word = "C" * changes + BOX[changes:]
            text = "G" * first + word + "G" * (81 - first - len(word))
            x = torch.tensor([["ACGT".index(letter) for letter in text]])
            assert has_box(x, box, 60).item() == (45 <= first <= 52 and changes <= 1)


def test_distances_between_sequences():
    x = torch.randint(4, (7, 30), generator=gen())
    y = torch.randint(4, (5, 30), generator=gen(1))
    torch.testing.assert_close(hamming(x, y), (x[:, None] != y).sum(-1).float())
    label = torch.arange(7) % 2
    assert spectrum_distance(x, label, x, label, draws=2, generator=gen()) == pytest.approx(0, abs=1e-6)
    # as many of both classes are taken as there are held out: those of class 0 have no word in common
    a, b = torch.zeros(6, 30, dtype=torch.int64), torch.ones(6, 30, dtype=torch.int64)
    mixed, kinds = torch.cat([a, b]), torch.arange(12) // 6
    assert spectrum_distance(mixed, kinds, b[:3], torch.ones(3, dtype=torch.int64), draws=1, generator=gen()) == 0
    half = torch.cat([a[:2], a[:2]])
    assert spectrum_distance(mixed, kinds, half, torch.tensor([0, 0, 1, 1]), draws=1) == pytest.approx(0.5)


def test_the_loss_of_a_recogniser_is_a_cross_entropy_of_noisy_states():
    """A network that counts masks: they are 1 - t of the places, at uniform times, and none on clean rows."""
    shares = []

    def net(x, t):
        shares.append((x == 4).double().mean(1) - (1 - t))
        return torch.stack([torch.zeros(len(x)), torch.full((len(x),), 1.0)], 1)

    path = Mixture(Tokens(4, mask=True))
    x = torch.zeros(64, 400, dtype=torch.int64)
    batch = Pairs((path.space.noise(x), x), cond=torch.ones(64, dtype=torch.int64))
    for objective in (Recognise(path), Recognise()):
        value = objective(net, batch, generator=gen()).value
        torch.testing.assert_close(value, torch.tensor(1.0).neg().exp().log1p())
    noisy, clean = shares
    assert noisy.abs().max() < 5 * 0.5 / 400**0.5  # deviation of a share of 400 places is below 1 / 40
    assert clean.abs().max() == 0


def test_heights_of_a_logo_are_what_is_known():
    x = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 0, 2], [0, 1, 3]])
    torch.testing.assert_close(logo_heights(x).sum(1), torch.tensor([2.0, 1.0, 0.0]), rtol=0, atol=1e-6)


@pytest.mark.story
def test_null_and_flows_are_measured_beside_held_out_rows(made):
    suite = DNAPromoters(groups=("bacteria",), steps=(4, 4), recogniser_steps=60, turns=1, follow=4)
    found, rows, lines = by_row(suite, made)
    every = {"all classes", *promoters("bacillus", "ecoli").names}
    assert {case for case, _, _ in found} == {case + ", quick (4, 4 steps)" for case in every}
    get = lambda method, metric, case="all classes": found[case + ", quick (4, 4 steps)", method, metric]
    assert get("held-out rows", "called") > 0.7  # of four classes; tastes and boxes are plain to see
    assert get("held-out rows", "called_over_real") == 1
    assert get("held-out rows", "spectrum") == 0
    assert get("held-out rows", "box", "ecoli, promoter") == 1
    assert get("letters by place", "spectrum_over_floor") < 1.3 * get("masked", "spectrum_over_floor")
    assert get("letters by place", "called") > get("masked", "called")  # which is untrained
    for method in ("masked", "Dirichlet"):
        assert 0 <= get(method, "nearest") <= 1
        assert get(method, "training_seconds") > 0
    assert (made / "dna_bacteria.png").stat().st_size > 10_000
    assert {row.source for row in rows} == {"ours"}
    assert any("best after" in line for line in lines)


@pytest.mark.story
def test_guidance_is_measured_by_scale(made):
    suite = GuidedDNA(steps=4, recogniser_steps=60, rows=24, follow=6, scales=(0.0, 4.0), pushes=(0.0, 20.0))
    found, _, _ = by_row(suite, made)
    (case,) = {case for case, _, _ in found}
    for method in ("RateGuidance", "SimplexClassifier", "StraightThrough"):
        low, high = (f"{method}, scale {scale}" for scale in ("0", "20" if method == "StraightThrough" else "4"))
        rise = found[case, high, "guide"] - found[case, low, "guide"]
        assert found[case, method, "smallest_rise_of_guide"] == pytest.approx(rise)
        assert rise > 0
        assert 0.5 < found[case, low, "diversity"] < 0.8  # of an untrained flow three letters in four differ
    assert found[case, "held-out promoters", "judge"] > found[case, "held-out others", "judge"]
    assert (made / "dna_guided.png").stat().st_size > 10_000


def test_without_the_file_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    for suite in (DNAPromoters(), GuidedDNA()):
        found, _, lines = by_row(suite, tmp_path)
        assert not found
        assert "left out" in lines[-1]
