"""Files of text: windows of one, rows of many, and one sentence for everything that can be wrong."""

import gzip

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.data import DNA, Arrays, Characters, Dataset, Protein, Sequences, Smiles, TextFile, Windows


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") and isinstance(content, str) else data)
        return str(path)

    return write


TABLE = "name,sequence,place,part\na,ACGT,x,train\nb,GG,y,train\nc,TTT,x,test\nd,CCCCC,z,validation\ne,A,y,test\n"


def texts(data, batches):
    return data.tokeniser.decode(batches.take(10**6)[0])


def test_windows_are_stretches_of_the_text_and_begin_anywhere():
    windows = Windows(torch.arange(10, dtype=torch.uint8), 4)
    x, cond = windows.batch(0, 700, seed=0)
    assert cond is None
    assert x.dtype == torch.int64
    assert torch.equal(x - x[:, :1], torch.arange(4).expand(700, 4))
    # 7 beginnings, 100 of each expected; four standard deviations of a binomial
    counts = torch.bincount(x[:, 0], minlength=7)
    assert len(counts) == 7
    assert (counts - 100).abs().max() < 4 * (700 / 7 * 6 / 7) ** 0.5


def test_windows_to_be_judged_by_do_not_overlap():
    windows = Windows(torch.arange(11), 3)
    assert windows.take(99)[0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    few = windows.take(2)[0]
    assert len(set(few.flatten().tolist())) == 6
    assert set(few[:, 0].tolist()) < {0, 3, 6}


@pytest.mark.parametrize("name", ["t.txt", "t.txt.gz"])
def test_a_text_is_learned_from_its_beginning_and_judged_by_its_end(name, write):
    data = TextFile(write(name, "abcd" * 25), length=5, test_fraction=0.2).load()
    assert (data.shape, data.vocab, data.name) == ((5,), 4, "t")
    assert data.tokeniser == Characters("abcd")
    assert "".join(texts(data, data.train)) == "abcd" * 20
    assert "".join(texts(data, data.test)) == "abcd" * 5
    assert all(text in "abcd" * 25 for text in data.tokeniser.decode(data.train.batch(3, 8, seed=1)[0]))


def test_shakespeare(shared_data):
    if not (shared_data / "sequence").is_dir():
        pytest.skip("no sequence/tiny_shakespeare.txt in PUSHFORWARD_DATA")
    data = TextFile("sequence/tiny_shakespeare.txt").load()
    assert (data.vocab, data.shape) == (65, (128,))
    assert len(data.train.text) + len(data.test.text) == 1_115_394
    assert data.tokeniser.decode(data.train.take(10**6)[0][:1])[0].startswith("First Citizen:\nBefore we proceed")


def test_rows_of_a_table_with_its_own_split_and_classes(write):
    data = Sequences(write("t.csv", TABLE), tokeniser=DNA(padded=True), labels="place", split="part").load()
    assert (data.shape, data.vocab, data.classes, data.class_names) == ((5,), 5, 3, ("x", "y", "z"))
    assert texts(data, data.train) == ["ACGT", "GG"]
    assert data.train.take(9)[1].tolist() == [0, 1]
    assert texts(data, data.test) == ["TTT", "A"]
    assert data.test.take(9)[1].tolist() == [0, 1]


def test_rows_are_picked_and_classes_combined(write):
    path = write("t.csv.gz", TABLE)
    data = Sequences(
        path, labels=["place", "part"], only={"place": ["x", "y"]}, tokeniser=DNA(padded=True), test_fraction=0.5
    ).load()
    assert data.class_names == ("x test", "x train", "y test", "y train")
    assert {*texts(data, data.train), *texts(data, data.test)} == {"ACGT", "GG", "TTT", "A"}


@pytest.mark.parametrize(
    ("longer", "expected"), [("cut", ["ACG", "GG", "TTT", "CCC", "A"]), ("drop", ["GG", "TTT", "A"])]
)
def test_long_texts_are_cut_or_dropped_with_their_labels(longer, expected, write):
    path = write("t.csv", TABLE)
    data = Sequences(path, tokeniser=DNA(padded=True), length=3, longer=longer, labels="name").load()
    found = {}
    for part in (data.train, data.test):
        x, cond = part.take(99)
        found |= {data.class_names[k]: text for k, text in zip(cond.tolist(), data.tokeniser.decode(x), strict=True)}
    assert [found[name] for name in sorted(found)] == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.fasta", ">one\nGATT\nACA\n>two more words\nCC\n"),
        ("t.fa.gz", ">one\nGATTACA\n\n>two\nCC"),
        ("t.txt", "GATTACA\nCC\n"),
        ("t.txt.gz", "GATTACA\n\nCC"),
    ],
)
def test_other_files_hold_sequences_alone(name, content, write):
    data = Sequences(write(name, content), tokeniser=DNA(padded=True), test_fraction=0.5).load()
    assert {*texts(data, data.train), *texts(data, data.test)} == {"GATTACA", "CC"}


def test_real_files(shared_data):
    if not (shared_data / "sequence").is_dir():
        pytest.skip("no folder sequence/ in PUSHFORWARD_DATA")
    promoters = Sequences(
        "sequence/dna_promoters.csv.gz",
        tokeniser=DNA(),
        only={"organism": "ecoli"},
        labels="promoter",
        split="split",
    ).load()
    assert (promoters.shape, promoters.vocab, promoters.class_names) == ((81,), 4, ("0", "1"))
    path = "sequence/peptides_amp.csv.gz"
    peptides = Sequences(path, tokeniser=Protein(), length=50, longer="drop", split="split").load()
    assert peptides.vocab == 21
    assert peptides.shape == (50,)
    assert texts(peptides, peptides.train)[0] == "GLFLDTLKGAAKDVAGKLLEGLKCKIAGCKP"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.csv", TABLE, {"column": "sequenze"}, "no column 'sequenze'; did you mean sequence"),
        ("t.csv", TABLE, {"labels": "plaze"}, "no column 'plaze'; did you mean place"),
        ("t.csv", TABLE, {"only": {"place": "w"}}, "'place' of .* never says 'w'"),
        ("t.csv", TABLE, {"only": {"name": "a"}}, "1 row\\(s\\) to take"),
        ("t.csv", TABLE, {"split": "place"}, "says x, y, z, expected train and test"),
        ("t.csv", TABLE, {"tokeniser": DNA()}, "4 symbols at row 0 .*expected 5.*padded"),
        ("t.csv", TABLE, {"tokeniser": Protein(), "length": 4}, "5 symbols at row 3 .*at most 4"),
        ("t.csv", TABLE, {"tokeniser": Smiles(("C",)), "length": 9}, "'A' at character 0"),
        ("t.csv", TABLE, {"tokeniser": DNA(padded=True), "length": 1, "longer": "drop"}, "1 text\\(s\\) of at most 1"),
        ("t.txt", "AC\nGT", {"labels": "place"}, "t.txt has none"),
        ("t.txt", "AC\n", {}, "1 sequence\\(s\\)"),
        ("t.fa", "AC\n>x\nAC", {}, "begins with `>`"),
        ("t.npz", "AC", {}, "of no known kind"),
        ("t.txt", "", {}, "is empty"),
        ("t.txt", b"\xff\xfe\n\xff", {}, "cannot be read as text"),
        ("t.csv.gz", b"no gzip", {}, "cannot be read as a table"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_one_sentence_for_sequences_that_cannot_be_read(name, content, options, message, write):
    with pytest.raises(InvalidInput, match=message):
        Sequences(write(name, content), **options).load()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("abc", {}, "expected at least 128 symbols"),
        ("a" * 300, {"test_fraction": 1.0}, "test_fraction is 1.0"),
        ("a" * 300, {"tokeniser": DNA()}, "does not know 'a' at row 0, symbol 0"),
    ],
)
def test_one_sentence_for_texts_that_cannot_be_cut(content, options, message, write):
    with pytest.raises(InvalidInput, match=message):
        TextFile(write("t.txt", content), **options).load()


def test_a_missing_file_is_told_with_the_folder_that_was_searched(tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match="PUSHFORWARD_DATA names no folder"):
        TextFile("nowhere.txt").load()
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match=f"nor below {tmp_path}"):
        TextFile("nowhere.txt").load()


def test_rows_that_should_be_symbols_are_whole_numbers():
    assert Dataset(Windows(torch.arange(9), 3), vocab=9).vocab == 9
    with pytest.raises(Incompatible, match="no symbols 0 to 3"):
        Dataset(Arrays(torch.zeros(5, 3)), vocab=4)
