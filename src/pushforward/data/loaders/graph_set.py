"""Sets of graphs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import InvalidInput, nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset, random_split
from pushforward.data.loaders.download import local_arrays
from pushforward.nets import as_matrix, as_pairs

__all__ = ["GraphSet", "adjacency"]

_FILES = {"community_small": 1, "planar_64_200": 1, "enzymes": 3}  # and the number of classes of a node


def adjacency(nodes: Tensor, edges: Tensor) -> list[Tensor]:
    """Adjacency matrices of 0 and 1 from sizes `[B]` and the classes of pairs `[B, P, 2]`, of which the second is edge.

    Scores serve as well as one-hot vectors: the larger one counts.
    """
    size = round((1 + (1 + 8 * edges.shape[1]) ** 0.5) / 2)
    whole = as_matrix((edges[..., 1] > edges[..., 0]).to(edges.dtype), size)
    return [matrix[:n, :n] for matrix, n in zip(whole, nodes.tolist(), strict=True)]


@dataclass(frozen=True)
class GraphSet:
    """Graphs as one-hot vectors of their nodes and pairs of nodes, padded with zero vectors.

    Rows are mappings with `nodes` `[N, K]` and `edges` `[N (N - 1) / 2, 2]`, the pairs i < j row by row, no edge first;
    the condition is a mapping with `real` `[N]`, 1 for nodes and 0 for padding. `adjacency` goes back.

    community_small: 100 graphs of two communities, 12 to 20 nodes; planar_64_200: 200 planar graphs of 64 nodes;
    enzymes: 587 protein graphs of 10 to 125 nodes of three classes. Read from `graph/<which>.npz` below
    `$PUSHFORWARD_DATA`.

    Source: the generators of You et al., GraphRNN (ICML 2018), https://arxiv.org/abs/1802.08773, and Martinkus et al.,
        SPECTRE (ICML 2022), https://arxiv.org/abs/2204.01613; ENZYMES of TUDataset, https://arxiv.org/abs/2007.08663.

    Args:
        which: Name of the set.
        test_fraction: Share that is held out, in (0, 1).
        seed: Of the split.

    Raises: `InvalidInput` for another name or a share out of range, and without the file.
    """

    which: str = "community_small"
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.which in _FILES, f"unknown graphs {self.which!r}; {nearest(self.which, _FILES)}")
        require(0 < self.test_fraction < 1, f"GraphSet.test_fraction is {self.test_fraction}, expected (0, 1)")

    def load(self) -> Dataset:
        """The graphs of the file, split at random."""
        local, classes = f"graph/{self.which}.npz", _FILES[self.which]
        labels = ("node_label",) if classes > 1 else ()
        found = local_arrays((local,), ("n_nodes", "edges", "edge_graph", *labels))
        if found is None:
            raise InvalidInput(f"GraphSet downloads nothing; set PUSHFORWARD_DATA to a folder with {local}")
        sizes, edges, graph = (torch.as_tensor(part).long() for part in found[1][:3])
        size = int(sizes.max()) if classes == 1 else 125
        real = (torch.arange(int(sizes.max())) < sizes[:, None]).to(torch.get_default_dtype())
        label = torch.zeros(real.shape, dtype=torch.int64)
        if labels:
            label[real > 0] = torch.as_tensor(found[1][3]).long() - 1
        matrix = torch.zeros(len(sizes), real.shape[1], real.shape[1], dtype=real.dtype)
        matrix[graph, edges[:, 0], edges[:, 1]] = matrix[graph, edges[:, 1], edges[:, 0]] = 1
        if classes > 1:  # the papers keep graphs of 10 to 125 nodes
            kept = (sizes >= 10) & (sizes <= size)
            real, label, matrix = real[kept, :size], label[kept, :size], matrix[kept, :size, :size]
        there, edge = as_pairs(real[:, :, None] * real[:, None]), as_pairs(matrix)
        x = {
            "nodes": torch.nn.functional.one_hot(label, classes).to(real.dtype) * real[..., None],
            "edges": torch.stack([there - edge, edge], -1),
        }
        parts = random_split(len(real), self.test_fraction, self.seed)
        train, test = (Arrays({k: v[rows] for k, v in x.items()}, {"real": real[rows]}) for rows in parts)
        return Dataset(train, test, name=self.which)
