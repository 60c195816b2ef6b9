"""Rigid motions between neighbouring base pairs of DNA and RNA."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pushforward.core import InvalidInput, nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.checks import require_finite
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.download import local_arrays
from pushforward.data.loaders.tenths import tenths

__all__ = ["BasePairSteps", "step_motion"]

_LOCAL = "manifold/se3_basepair_steps.npz"
_KINDS = ("rna", "dna")


def _turn(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The rotation by the vector (x, y, z), `[N, 3, 3]`."""
    zero = torch.zeros_like(x)
    return torch.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3)))


def step_motion(parameters: Tensor) -> dict[str, Tensor]:
    r"""Shift, slide, rise, tilt, roll and twist `[N, 6]` to the frame of the second base pair in that of the first.

    .. math:: M = R_z(\tfrac{twist}2)\, e^{[(tilt,\, roll,\, 0) / 2]_\times}, \qquad
              R = R_z(\tfrac{twist}2)\, e^{[(tilt,\, roll,\, 0)]_\times}\, R_z(\tfrac{twist}2), \qquad
              s = M\, (shift, slide, rise)^\top

    M is the frame half-way, in which the lengths are counted. This is the convention of El Hassan & Calladine (1995),
    which 3DNA and the Curves of today share; theirs reads
    :math:`R_z(\tfrac{twist}2 - \phi) R_y(\Gamma) R_z(\tfrac{twist}2 + \phi)` with
    :math:`(tilt, roll) = \Gamma (\sin \phi, \cos \phi)`.

    Returns: `{"shift": [N, 3], "rotation": [N, 3, 3]}`, states of `SE3`; lengths as they came, angles in radians.

    Example:
        >>> quarter = torch.tensor([[0.0, 0.0, 3.0, 0.0, 0.0, torch.pi / 2]])
        >>> step_motion(quarter)["shift"]
        tensor([[0., 0., 3.]])
    """
    tilt, roll, twist = parameters[:, 3:].unbind(1)
    zero = torch.zeros_like(twist)
    half = _turn(zero, zero, twist / 2)
    middle = half @ _turn(tilt / 2, roll / 2, zero)
    shift = (middle @ parameters[:, :3, None])[..., 0]
    return {"shift": shift, "rotation": half @ _turn(tilt, roll, zero) @ half}


@dataclass(frozen=True)
class BasePairSteps:
    """28,397 steps of RNA or 32,261 of DNA from one base pair to the next: `{"shift": [3], "rotation": [3, 3]}`.

    States of `spaces.SE3`: the shift in units of `length`, the rotation a matrix; see `step_motion`. Labels are the 16
    pairs of neighbouring bases.

    Read from `manifold/se3_basepair_steps.npz` below `$PUSHFORWARD_DATA`: per kind the parameters `[N, 6]` in angstrom
    and radians, and under its name with `_step` the label `[N]`, whose letters are in `step_names`.

    Source: computed from PDB structures for HelixMC, https://github.com/fcchou/HelixMC; convention as El Hassan &
        Calladine, J. Mol. Biol. 251 (1995), https://doi.org/10.1006/jmbi.1995.0446.

    Args:
        kind: rna or dna.
        length: Angstrom to a unit of the shift, > 0; the spread of shifts is about 1 angstrom, that of rotations 0.2.
        labels: Give the step as label.
        seed: Of the split in 80, 10 and 10 percent at random.
        validation: Judge by the second part instead of the third.

    Raises: `InvalidInput` for another kind or length, and without the file.
    """

    kind: str = "dna"
    length: float = 1.0
    labels: bool = True
    seed: int = 0
    validation: bool = False

    def __post_init__(self) -> None:
        require(self.kind in _KINDS, f"unknown kind {self.kind!r}; {nearest(self.kind, _KINDS)}")
        require(self.length > 0, f"length is {self.length}, expected some angstrom > 0")

    def load(self) -> Dataset:
        """All of them, split."""
        found = local_arrays((_LOCAL,), (self.kind, f"{self.kind}_step", "step_names"))
        if found is None:
            raise InvalidInput(f"BasePairSteps downloads nothing; set PUSHFORWARD_DATA to a folder with {_LOCAL}")
        parameters, step, names = found[1]
        given = torch.as_tensor(parameters.astype(np.float64))
        require_finite(given, self.kind, ("shift", "slide", "rise", "tilt", "roll", "twist"))
        motion = step_motion(given)
        motion["shift"] /= self.length
        dtype = torch.get_default_dtype()
        train, validation, test = tenths(len(given), self.seed)
        parts = [
            Arrays({name: leaf[rows].to(dtype) for name, leaf in motion.items()}, step[rows] if self.labels else None)
            for rows in (train, validation if self.validation else test)
        ]
        letters = tuple(map(str, names))
        return Dataset(
            train=parts[0],
            test=parts[1],
            classes=len(letters) if self.labels else None,
            name=self.kind,
            class_names=letters if self.labels else None,
        )
