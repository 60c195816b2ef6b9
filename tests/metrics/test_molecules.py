"""Molecules that are counted and weighed by hand."""

import sys
from itertools import combinations

import pytest

from pushforward.core import InvalidInput
from pushforward.metrics import canonical_smiles, internal_diversity, novelty, property_distance, uniqueness, validity

pytest.importorskip("rdkit", reason="needs the extra molecules")
CARBON, HYDROGEN, OXYGEN = 12.011, 1.008, 15.999  # standard atomic weights


def test_what_is_no_molecule():
    """Open rings and branches, carbon of five bonds, a ring that cannot be aromatic, and nothing at all."""
    assert canonical_smiles(["C1CC", "C(C", "C(C)(C)(C)(C)C", "c1cccc1", ""]) == [None] * 5


def test_nothing_is_said_of_what_is_no_molecule(capfd):
    canonical_smiles(["C1CC"])
    assert capfd.readouterr() == ("", "")


def test_one_molecule_has_one_canonical_text():
    assert len(set(canonical_smiles(["Cc1ccccc1", "c1ccccc1C", "C1=CC=CC=C1C", "c1cc(C)ccc1"]))) == 1


def test_shares_count():
    """Six texts: four molecules, three of them distinct, one of which was learned."""
    made, learned = ["CCO", "OCC", "CC", "C", "C(", "x"], ["CCO", "CCCC"]
    assert (validity(made), uniqueness(made), novelty(made, learned)) == (4 / 6, 3 / 4, 2 / 3)
    assert (validity(["C("]), uniqueness(["C("]), novelty(["C("], [])) == (0, 0, 0)
    assert (validity(["C"]), uniqueness(["C"]), novelty(["C"], []), novelty(["C"], ["C"])) == (1, 1, 1, 0)


def test_diversity_is_the_mean_over_pairs():
    """Methane has one environment and water another; a copy is as similar as can be."""
    assert internal_diversity(["C", "O", "C", "no molecule"]).item() == pytest.approx(1 - 1 / 3)


def test_diversity_against_the_similarities_of_rdkit():
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    smiles = ["CCO", "CCN", "CC(=O)Oc1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"]
    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    prints = [morgan.GetFingerprint(Chem.MolFromSmiles(text)) for text in smiles]
    similar = [DataStructs.TanimotoSimilarity(a, b) for a, b in combinations(prints, 2)]
    assert internal_diversity(smiles).item() == pytest.approx(1 - sum(similar) / len(similar), rel=1e-6)


def test_distances_of_properties():
    ethane, propane, water = 2 * CARBON + 6 * HYDROGEN, 3 * CARBON + 8 * HYDROGEN, 2 * HYDROGEN + OXYGEN
    found = property_distance(["CC", "O"], ["CCC", "O"])
    assert found["weight"] == pytest.approx((propane - ethane) / 2, abs=1e-3)
    assert property_distance(["O"], ["CC", "C("])["weight"] == pytest.approx(ethane - water, abs=1e-3)
    assert property_distance(["C1CC1", "C1CC1C1CC1"], ["C"])["rings"] == 1.5
    same = property_distance(["CCO", "C"], ["C", "OCC"])
    assert max(same.values()) == pytest.approx(0, abs=1e-12)  # the rounding of float64


def test_what_cannot_be_judged_is_refused(monkeypatch):
    for make, match in (
        (lambda: validity([]), "got no molecules"),
        (lambda: internal_diversity(["C", "C("]), "1 of 2 texts are molecules, expected at least 2"),
        (lambda: property_distance(["C("], ["C"]), "0 of 1 texts are molecules"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
    for name in [name for name in sys.modules if name.startswith("rdkit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(InvalidInput, match=r"rdkit, which is missing; pip install 'pushforward\[molecules\]'"):
        validity(["C"])
