"""Texts as rows of whole numbers, and back.

A tokeniser is a frozen dataclass of plain fields that splits, numbers and joins; where texts come from is for the
loaders, and what a flow makes of the numbers for everybody else.
"""

from pushforward.data.tokenisers.base import Tokeniser
from pushforward.data.tokenisers.characters import Characters
from pushforward.data.tokenisers.dna import DNA
from pushforward.data.tokenisers.protein import Protein
from pushforward.data.tokenisers.saved import describe_tokeniser, rebuild_tokeniser
from pushforward.data.tokenisers.smiles import Smiles

__all__ = ["DNA", "Characters", "Protein", "Smiles", "Tokeniser", "describe_tokeniser", "rebuild_tokeniser"]
