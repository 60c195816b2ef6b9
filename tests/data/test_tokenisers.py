"""Tokenisers: there and back without loss, and one sentence for what they do not know."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pushforward.core import InvalidInput
from pushforward.data import DNA, Characters, Protein, Smiles, Tokeniser, describe_tokeniser, rebuild_tokeniser
from pushforward.data.tokenisers.smiles import split_smiles

MOLECULES = ["CC(c1ncncc1F)C(O)(Cn1cncn1)c1ccc(F)cc1F", "C[C@@H](Br)Cl", "[NH3+]CC%10CCCC%10", r"F/C=C\F", "O"]
CATALOGUE = {
    "characters": (Characters("ab \n", padded=True), ["ab b\n", "", "a"]),
    "characters of one length": (Characters("ab"), ["abb", "aba"]),
    "characters found": (Characters().fitted(["héllo", "wörld"]), ["hello".replace("e", "é"), "wörld"]),
    "dna": (DNA(), ["GATTACA", "CCCCGGG"]),
    "dna padded": (DNA(padded=True), ["GATTACA", "C"]),
    "protein": (Protein(), ["ACDEFGHIKLMNPQRSTVWY", "GLF"]),
    "smiles": (Smiles().fitted(MOLECULES), MOLECULES),
}


@pytest.fixture(params=CATALOGUE)
def member(request):
    return CATALOGUE[request.param]


def test_texts_come_back(member):
    tokeniser, texts = member
    assert isinstance(tokeniser, Tokeniser)
    x = tokeniser.encode(texts)
    assert x.dtype == torch.int64
    assert x.shape == (len(texts), max(len(tokeniser.split(text)) for text in texts))
    assert x.min() >= 0
    assert x.max() < tokeniser.vocab
    assert tokeniser.decode(x) == texts


def test_symbols_are_numbered_in_their_order_and_the_padding_comes_last(member):
    tokeniser, texts = member
    assert tokeniser.vocab == len(tokeniser.symbols) + (tokeniser.padding is not None)
    assert tokeniser.padding in (None, tokeniser.vocab - 1)
    for text, row in zip(texts, tokeniser.encode(texts).tolist(), strict=True):
        spelt = [tokeniser.symbols[k] for k in row if k != tokeniser.padding]
        assert spelt == list(tokeniser.split(text))


def test_it_is_rebuilt_from_its_description(member):
    tokeniser, _ = member
    assert rebuild_tokeniser(json.loads(json.dumps(describe_tokeniser(tokeniser)))) == tokeniser


def test_what_is_given_is_not_fitted_again(member):
    tokeniser, _ = member
    assert tokeniser.fitted(["?", "!"]) == tokeniser


def test_rows_are_as_long_as_asked_and_are_read_up_to_the_first_padding():
    dna = DNA(padded=True)
    assert dna.encode(["GT"], length=4).tolist() == [[2, 3, 4, 4]]
    assert dna.decode(torch.tensor([[2, 4, 3, 4], [4, 0, 0, 0]])) == ["G", ""]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_any_text_survives_its_own_alphabet(texts):
    tokeniser = Characters("".join(sorted({*"".join(texts), "x"})), padded=True)
    assert tokeniser.decode(tokeniser.encode(texts)) == texts


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("ClC", ["Cl", "C"]),
        ("BrB", ["Br", "B"]),
        ("[Na+].[Cl-]", ["[Na+]", ".", "[Cl-]"]),
        ("C%12C1", ["C", "%12", "C", "1"]),
        (r"F/C=C\F", ["F", "/", "C", "=", "C", "\\", "F"]),
    ],
    ids=str,
)
def test_smiles_are_cut_where_atoms_end(text, symbols):
    assert split_smiles(text) == symbols


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DNA().encode(["ACGT", "ACNT"]), r"DNA does not know 'N' at row 1, symbol 2"),
        (lambda: DNA().encode(["acgt"]), r"does not know 'a' at row 0, symbol 0"),
        (lambda: Protein().encode(["ACX"]), r"Protein does not know 'X' at row 0, symbol 2"),
        (lambda: Smiles(("C",)).encode(["CO"]), r"Smiles does not know 'O' at row 0, symbol 1"),
        (lambda: Smiles(("C",)).encode(["C", "CC!"]), r"row 1.*'CC!' has '!' at character 2"),
        (lambda: Smiles().fitted(["C", "[C"]), r"row 1.*'\[C' has '\[' at character 0"),
        (lambda: Smiles(("CO",)), r"'CO', which is not one symbol"),
        (lambda: Smiles(("C", "C")), r"\['C'\] twice"),
        (lambda: Characters("aa"), r"\['a'\] twice"),
        (lambda: Characters().encode(["a"]), r"knows no symbols yet.*fitted"),
        (lambda: Characters("a").encode("a"), r"expected a list of texts"),
        (lambda: Characters("a").encode([]), r"expected a list of texts"),
        (lambda: DNA().encode(["ACGT", "ACG"]), r"3 symbols at row 1 .*expected 4.*padded=True"),
        (lambda: DNA(padded=True).encode(["ACGT", "ACG"], 3), r"4 symbols at row 0 .*expected at most 3"),
        (
            lambda: DNA().decode(torch.tensor([[0, 1], [2, 4]])),
            r"no symbol 4, found at row 1, symbol 1 .*0 to 3",
        ),
        (lambda: DNA().decode(torch.tensor([0, 1])), r"shape \[2\], expected whole numbers \[N, L\]"),
        (lambda: rebuild_tokeniser({"type": "DMA"}), r"unknown tokeniser 'DMA'; did you mean DNA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_sentence_for_what_cannot_be(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_a_tokeniser_of_a_user_is_not_written_down():
    class Bytes(Characters):
        pass

    with pytest.raises(InvalidInput, match="Bytes cannot be written down"):
        describe_tokeniser(Bytes("a"))
