"""Torsion angles of amino acids."""

import math
from dataclasses import dataclass

import torch

from pushforward.core import InvalidInput, nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.checks import require_finite
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import local_arrays

__all__ = ["Torsions"]

_LOCAL = "manifold/torsion_top8000.npz"
_ANGLES = {"lys": 6, "gln": 5, "met": 5, "his": 4, "cispro": 2}


@dataclass(frozen=True)
class Torsions:
    """Backbone and side-chain torsions of one kind of residue, in radians in [0, 2 pi): points of the torus T^n.

    The angles are phi, psi, chi1, ..., as many as the residue has: lysine (lys) 6, glutamine (gln) and methionine (met)
    5, histidine (his) 4, proline behind a cis peptide bond (cispro) 2.

    Read from `manifold/torsion_top8000.npz` below `$PUSHFORWARD_DATA`: per residue an array of degrees `[N, n]` and,
    under its name with `_split`, 0, 1 or 2 for train, validation and test `[N]`. The rows of one protein stay together.

    Source: Williams et al., MolProbity (Protein Science 2018), https://doi.org/10.1002/pro.3330; the Top8000 reference
        data, https://github.com/rlabduke/reference_data. (Papers on tori use the older Top500: other residues, other
        likelihoods.)

    Args:
        residue: lys, gln, met, his or cispro.
        backbone: Only phi and psi, the angles of a Ramachandran plot.
        validation: Judge by the validation part, on which settings are chosen, instead of the test part.

    Raises: `InvalidInput` for another name, and without the file.
    """

    residue: str = "lys"
    backbone: bool = False
    validation: bool = False

    def __post_init__(self) -> None:
        require(self.residue in _ANGLES, f"unknown residue {self.residue!r}; {nearest(self.residue, _ANGLES)}")

    def load(self) -> Dataset:
        """The split of the file."""
        found = local_arrays((_LOCAL,), (self.residue, f"{self.residue}_split"))
        if found is None:
            raise InvalidInput(f"Torsions downloads nothing; set PUSHFORWARD_DATA to a folder with {_LOCAL}")
        degrees, part = map(torch.as_tensor, found[1])
        angles = (degrees.double().deg2rad() % (2 * math.pi)).to(torch.get_default_dtype())
        angles = torch.where(angles < 2 * math.pi, angles, 0.0)  # a tiny negative angle is rounded to 2 pi
        if self.backbone:
            angles = angles[:, :2]
        require_finite(angles, self.residue)
        names = ("phi", "psi", *(f"chi{k}" for k in range(1, angles.shape[1] - 1)))
        train, test = (Arrays(angles[part == k]) for k in (0, 1 if self.validation else 2))
        return Dataset(train, test, name=self.residue, columns=names)
