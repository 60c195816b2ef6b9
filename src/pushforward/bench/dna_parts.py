"""What the suites of DNA share: promoters, networks that recognise them, distances between sequences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from pushforward.core import Gen, Loss, Pairs, Path, rand, randperm
from pushforward.data import DNA, Arrays, Sequences
from pushforward.metrics import kmer_distance
from pushforward.nets import TokenClassifier
from pushforward.spaces import Tokens
from pushforward.training import Feed, Training, train

__all__ = [
    "GROUPS",
    "LETTERS",
    "WORD",
    "Box",
    "Group",
    "Parts",
    "Recognise",
    "hamming",
    "has_box",
    "promoters",
    "recogniser",
    "rows_of",
    "spectrum_distance",
]

LETTERS = "ACGT"
FILE = "sequence/dna_promoters.csv.gz"
WORD = 4  # letters of what spectra count


class Box(NamedTuple):
    """A word that promoters have at a place: one letter may differ, and it may start anywhere in a range."""

    word: str
    first: int
    last: int


class Group(NamedTuple):
    """Organisms whose sequences have one length, and so one network."""

    organisms: tuple[str, ...]
    start: int  # position of the first transcribed letter
    box: Box
    dilations: tuple[int, ...]
    flows: tuple[str, ...]
    length: int | None = None  # if places are told; 81 letters are few enough to count from the ends


GROUPS = {
    "bacteria": Group(("bacillus", "ecoli"), 60, Box("TATAAT", -15, -8), (1, 1, 4, 16), ("masked", "Dirichlet")),
    "eukaryotes": Group(("arabidopsis", "mouse"), 200, Box("TATAAA", -36, -26), (1, 1, 4, 16, 64), ("masked",), 251),
}


class Parts(NamedTuple):
    """Sequences and their classes: to learn from, to stop by, to be judged by; and what the classes are called."""

    learn: Arrays
    stop: Arrays
    held: Arrays
    names: tuple[str, ...]


def promoters(*organisms: str, seed: int = 0) -> Parts:
    """Promoters and other sequences of organisms whose sequences have one length.

    The published test part is held out. Of the rest a tenth, at random, says when a training should stop.

    Raises: `InvalidInput` without the file.
    """
    loader = lambda **more: Sequences(FILE, tokeniser=DNA(), labels=["organism", "promoter"], **more)
    known = loader(only={"organism": organisms, "split": ["train", "val"]}, test_fraction=0.1, seed=seed).load()
    held = loader(only={"organism": organisms}, split="split").load().held_out()
    kinds = {"0": "other", "1": "promoter"}
    names = tuple(f"{organism}, {kinds[kind]}" for organism, kind in map(str.split, cast(tuple, known.class_names)))
    learn, stop, held = (cast(Arrays, part) for part in (known.train, known.held_out(), held))
    return Parts(learn, stop, held, names)


def rows_of(part: Arrays) -> tuple[Int[Tensor, "n length"], Int[Tensor, " n"]]:
    """All sequences of a part, and their classes."""
    return cast(Tensor, part.x), cast(Tensor, part.cond)


@dataclass(frozen=True)
class Recognise:
    r"""Cross-entropy of the class of a sequence, clean or at a uniform time of a path.

    .. math:: -\log p_\theta(y \mid x_t, t)

    Args:
        path: From noise to sequences; None for clean ones, at t = 1.
    """

    path: Path | None = None

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch whose condition is the class."""
        x, t = batch.x1, torch.ones(batch.size)
        if self.path is not None:
            t = rand((batch.size,), t, generator=generator)
            x = self.path.sample(batch, t, generator=generator).x
        return Loss.mean({"fit": cross_entropy(net(x, t), cast(Tensor, batch.cond), reduction="none")})


def recogniser(
    learn: Arrays, stop: Arrays, classes: int, *, path: Path | None = None, steps: int, seed: int
) -> TokenClassifier:
    """A network that tells the classes of `learn`, stopped when it does worse on `stop`."""
    space = Tokens(len(LETTERS)) if path is None else path.space
    x = cast(Tensor, learn.x)
    size = space.size if isinstance(space, Tokens) else len(LETTERS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = TokenClassifier(size, x.shape[1], classes, width=48, dropout=0.3)
        settings = Training(
            steps,
            64,
            2e-3,
            0.0,
            ema=0.98,
            weight_decay=0.01,
            device="cpu",
            workers=0,
            validate_every=max(1, steps // 12),
            stop_after=4,
        )
        feed = Feed(learn, space=space)
        train(net, Recognise(path), feed, settings, seed=seed, validation=feed.held_out(stop))
    return net.eval()


def hamming(x: Int[Tensor, "n length"], y: Int[Tensor, "m length"]) -> Float[Tensor, "n m"]:
    """In how many places sequences differ.

    Example:
        >>> hamming(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 2], [3, 1, 0]]))
        tensor([[0., 2.]])
    """
    a, b = (one_hot(z, len(LETTERS)).flatten(1).float() for z in (x, y))
    return x.shape[1] - a @ b.T


def spectrum_distance(
    x: Tensor, label: Tensor, held: Tensor, held_label: Tensor, *, draws: int, generator: Gen = None
) -> float:
    """Distance of the spectra of `held` and of as many rows `x` of every class, mean over `draws` choices of these."""
    sizes = torch.bincount(held_label)
    found = []
    for _ in range(draws):
        rows = torch.cat(list(_chosen(label, sizes, generator)))
        found.append(kmer_distance(x[rows], held, WORD, vocab=len(LETTERS)))
    return float(torch.stack(found).mean())


def _chosen(label: Tensor, sizes: Tensor, generator: Gen) -> Iterator[Tensor]:
    for c, n in enumerate(sizes.tolist()):
        rows = (label == c).nonzero()[:, 0]
        yield rows[randperm(len(rows), rows, generator=generator)[:n]]


def has_box(x: Tensor, box: Box, start: int) -> Tensor:
    """Which sequences `[n]` have the box where it belongs, with at most one letter that differs."""
    word = torch.tensor([LETTERS.index(letter) for letter in box.word])
    windows = x[:, start + box.first : start + box.last + len(word)].unfold(1, len(word), 1)
    return ((windows != word).sum(-1) <= 1).any(1)
