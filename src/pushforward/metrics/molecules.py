"""How good molecules are that were written as SMILES: with rdkit, which is asked for when it is needed."""

import importlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["canonical_smiles", "internal_diversity", "novelty", "property_distance", "uniqueness", "validity"]

_RADIUS, _BITS = 2, 1024  # of Morgan fingerprints, as in MOSES


def _rdkit(module: str) -> Any:
    try:
        return importlib.import_module(f"rdkit.{module}")
    except ImportError as error:
        raise InvalidInput(
            "molecules are read by rdkit, which is missing; pip install 'pushforward[molecules]'"
        ) from error


def _parsed(smiles: Iterable[str]) -> Iterator[Any]:
    """One molecule after the other (many at once take gigabytes), None for what is none; silent about what is wrong."""
    chem, block = _rdkit("Chem"), _rdkit("rdBase").BlockLogs
    for text in smiles:
        with block():
            molecule = chem.MolFromSmiles(text) if text else None
        yield molecule


def canonical_smiles(smiles: Sequence[str]) -> list[str | None]:
    """The canonical SMILES of every molecule, None for texts that rdkit cannot parse and sanitise, and for empty ones.

    Raises: `InvalidInput` without rdkit.

    Example:
        >>> canonical_smiles(["OCC", "C1CC", "c1ccccc1C"])
        ['CCO', None, 'Cc1ccccc1']
    """
    chem = _rdkit("Chem")
    return [None if molecule is None else chem.MolToSmiles(molecule) for molecule in _parsed(smiles)]


def validity(smiles: Sequence[str]) -> float:
    """Share of texts that are molecules: that rdkit parses and sanitises (valences, aromatic rings).

    Source: as `uniqueness` and `novelty`, Polykovskiy et al., Molecular Sets (MOSES), Frontiers in Pharmacology 11
        (2020), https://arxiv.org/abs/1811.12823.

    Raises: `InvalidInput` without rdkit, and for no texts.

    Example:
        >>> validity(["OCC", "CCO", "CC=O", "C("])
        0.75
    """
    return _share(_valid(smiles), smiles)


def uniqueness(smiles: Sequence[str]) -> float:
    """Share of the valid molecules that are distinct; 0 if none is valid.

    It falls with their number: compare at one number. (MOSES counts among the first 1,000 or 10,000 valid ones.)

    Raises: `InvalidInput` without rdkit, and for no texts.

    Example:
        >>> uniqueness(["OCC", "CCO", "CC=O", "C("])
        0.6666666666666666
    """
    valid = _valid(smiles)
    return _share(set(valid), valid)


def novelty(smiles: Sequence[str], known: Collection[str]) -> float:
    """Share of the distinct valid molecules that were not learned from; 0 if none is valid.

    Held-out molecules say what is possible: they are as new as the law allows.

    Args:
        smiles: Generated texts, at least one.
        known: What was learned from, as canonical SMILES of the same rdkit (`canonical_smiles`).

    Raises: `InvalidInput` without rdkit, and for no texts.

    Example:
        >>> novelty(["OCC", "CCO", "CC=O", "C("], known={"CCO"})
        0.5
    """
    distinct = set(_valid(smiles))
    return _share(distinct - set(known), distinct)


def _valid(smiles: Sequence[str]) -> list[str]:
    require(len(smiles) > 0, "got no molecules, expected one text at least")
    return [text for text in canonical_smiles(smiles) if text is not None]


def _share(part: Collection[str], whole: Collection[str]) -> float:
    return len(part) / len(whole) if whole else 0.0


def _molecules(smiles: Sequence[str], least: int) -> list[Any]:
    molecules = [molecule for molecule in _parsed(smiles) if molecule is not None]
    require(
        len(molecules) >= least,
        f"{len(molecules)} of {len(smiles)} texts are molecules, expected at least {least}; see validity",
    )
    return molecules


def internal_diversity(smiles: Sequence[str]) -> Float[Tensor, ""]:
    r"""How unlike each other molecules are: 1 less the mean Tanimoto similarity of pairs, by Morgan fingerprints.

    .. math:: 1 - \frac{1}{n (n - 1)} \sum_{i \ne j} \frac{|f_i \cap f_j|}{|f_i \cup f_j|}

    of radius 2 in 1,024 bits. In [0, 1]; compare with real ones. Texts that are no molecules are left out.

    Source: IntDiv of Polykovskiy et al., Molecular Sets (MOSES), https://arxiv.org/abs/1811.12823. Differs: the pairs
        of a molecule with itself are left out, which lower theirs by a factor of 1 - 1/n.

    Raises: `InvalidInput` without rdkit, and for fewer than two molecules.

    Example:
        >>> internal_diversity(["CCO", "OCC"]), internal_diversity(["CCO", "c1ccccc1"])
        (tensor(0.), tensor(1.))
    """
    molecules = _molecules(smiles, 2)
    morgan = _rdkit("Chem.rdFingerprintGenerator").GetMorganGenerator(radius=_RADIUS, fpSize=_BITS)
    bits = torch.stack([torch.from_numpy(morgan.GetFingerprintAsNumPy(m)) for m in molecules]).double()
    shared, size = bits @ bits.T, bits.sum(1)
    similar = shared / (size[:, None] + size - shared)
    n = len(molecules)
    return (1 - (similar.sum() - n) / (n * (n - 1))).to(torch.get_default_dtype())


def property_distance(x: Sequence[str], y: Sequence[str]) -> dict[str, float]:
    """Wasserstein distances (p = 1) between the laws of four numbers of molecules.

    logp: the octanol-water partition by Wildman & Crippen; weight: in dalton; qed: drug-likeness in [0, 1] (Bickerton
    et al.); rings: their number. Texts that are no molecules are left out. Two real sets are not at 0, as they are
    finite: measure one beside.

    Source: the comparison of property distributions of Polykovskiy et al., Molecular Sets (MOSES),
        https://arxiv.org/abs/1811.12823, with the number of rings in the place of synthetic accessibility.

    Raises: `InvalidInput` without rdkit, and without a molecule on either side.

    Example:
        >>> distances = property_distance(["C"], ["CC"])
        >>> round(distances["weight"], 3), distances["rings"]
        (14.027, 0.0)
    """
    from scipy.stats import wasserstein_distance

    properties = {
        "logp": _rdkit("Chem.Crippen").MolLogP,
        "weight": _rdkit("Chem.Descriptors").MolWt,
        "qed": _rdkit("Chem.QED").qed,
        "rings": _rdkit("Chem.rdMolDescriptors").CalcNumRings,
    }
    ours, theirs = _molecules(x, 1), _molecules(y, 1)
    return {
        name: float(wasserstein_distance([number(m) for m in ours], [number(m) for m in theirs]))
        for name, number in properties.items()
    }
