"""How alike two sets of graphs are, by statistics of single graphs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["Clustering", "Degrees", "GraphStatistic", "Orbits", "graph_mmd", "planar"]


@dataclass(frozen=True)
class Degrees:
    """Shares of nodes by degree.

    Args:
        width: Of the kernel, in total variation.
        most: Degrees above it count as it.
    """

    width: float = 1.0
    most: int = 127

    def __call__(self, graph: Float[Tensor, "n n"]) -> Float[Tensor, " bins"]:
        """The histogram of one graph."""
        degrees = graph.sum(1).long().clamp_max(self.most)
        return degrees.bincount(minlength=self.most + 1).to(graph.dtype) / max(len(graph), 1)


@dataclass(frozen=True)
class Clustering:
    r"""Shares of nodes by clustering coefficient, in equal bins of [0, 1].

    .. math:: c_i = \frac{2 \cdot \text{triangles at } i}{d_i (d_i - 1)}, \qquad 0 \text{ for } d_i < 2

    Args:
        width: Of the kernel, in total variation. (On graphs of 20 nodes a width of 0.1, which codes have, sees nothing
            but equal histograms: the discrepancy of two real sets is then 1/n + 1/m, the largest there is.)
        bins: Number of bins.
    """

    width: float = 1.0
    bins: int = 100

    def coefficients(self, graph: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
        """c of every node."""
        degrees = graph.sum(1)
        corners = degrees * (degrees - 1)
        closed = torch.einsum("ij,jk,ki->i", graph, graph, graph)
        return torch.where(corners > 0, closed / corners.clamp_min(1), 0.0)

    def __call__(self, graph: Float[Tensor, "n n"]) -> Float[Tensor, " bins"]:
        """The histogram of one graph."""
        bins = (self.coefficients(graph) * self.bins).long().clamp_max(self.bins - 1)
        return bins.bincount(minlength=self.bins).to(graph.dtype) / max(len(graph), 1)


@dataclass(frozen=True)
class Orbits:
    """Mean number of times that a node stands in each of the 15 places of connected induced subgraphs of 2 to 4 nodes.

    In the usual order: 0 an edge; 1, 2 ends and middle of a path of three, 3 a triangle; 4, 5 ends and middle of a path
    of four, 6, 7 leaves and centre of a star, 8 a square, 9, 10, 11 the places of a triangle with a tail by degree, 12,
    13 those of a square with a diagonal, 14 the complete graph. Counted by walks of three steps and by what lies
    between the neighbours of a node.

    Source: the orbits of Przulj, Biological network comparison using graphlet degree distribution, Bioinformatics 23
        (2007), https://doi.org/10.1093/bioinformatics/btl301. The equations between places are derived, as
        Hocevar & Demsar do, A combinatorial approach to graphlet counting, Bioinformatics 30 (2014),
        https://doi.org/10.1093/bioinformatics/btt717.

    Args:
        width: Of the kernel, in half the sum of absolute differences.
    """

    width: float = 30.0

    def counts(self, graph: Float[Tensor, "n n"]) -> Float[Tensor, "n 15"]:
        """The 15 numbers of every node."""
        degrees, squares = graph.sum(1), graph @ graph
        sides = squares * graph  # triangles on every edge
        triangles = sides.sum(1) / 2
        choose2 = lambda k: k * (k - 1) / 2
        out = graph.new_zeros(len(graph), 15)
        out[:, 0] = degrees
        out[:, 1] = graph @ (degrees - 1) - 2 * triangles
        out[:, 2] = choose2(degrees) - triangles
        out[:, 3] = triangles
        # a node beside three others: what lies between its neighbours
        for i, row in enumerate(graph):
            near = row > 0
            between = graph[near][:, near]
            out[i, 14] = (between @ between * between).sum() / 6
            out[i, 13] = choose2(between.sum(1)).sum() - 3 * out[i, 14]
        out[:, 11] = triangles * (degrees - 2) - 2 * out[:, 13] - 3 * out[:, 14]
        out[:, 7] = degrees * (degrees - 1) * (degrees - 2) / 6 - out[:, [11, 13, 14]].sum(1)
        # each of the rest from a sum over walks, less the places whose shapes hold the walk and more edges
        less = lambda walks, places: walks - sum(times * out[:, place] for place, times in places.items())
        out[:, 12] = less(torch.einsum("ij,jk,ki->i", graph, graph * (squares - 1), graph) / 2, {14: 3})
        out[:, 9] = less(graph @ triangles - sides.sum(1), {12: 2, 14: 3})
        out[:, 10] = less(sides @ (degrees - 2), {12: 2, 13: 2, 14: 6})
        out[:, 8] = less(choose2(squares).sum(1) - choose2(degrees), {12: 1, 13: 1, 14: 3})
        out[:, 6] = less(graph @ choose2(degrees - 1), {9: 1, 10: 1, 12: 2, 13: 1, 14: 3})
        ends = (squares * (degrees - 1 - graph)).sum(1) - degrees * (degrees - 1)
        out[:, 4] = less(ends, {8: 2, 9: 2, 10: 1, 12: 4, 13: 2, 14: 6})
        middles = (degrees - 1) * (graph @ (degrees - 1)) - 2 * triangles
        out[:, 5] = less(middles, {8: 2, 10: 1, 11: 2, 12: 2, 13: 4, 14: 6})
        return out

    def __call__(self, graph: Float[Tensor, "n n"]) -> Float[Tensor, " bins"]:
        """The means of one graph."""
        return self.counts(graph).mean(0) if len(graph) else graph.new_zeros(15)


GraphStatistic = Degrees | Clustering | Orbits


def graph_mmd(
    x: Sequence[Tensor],
    y: Sequence[Tensor],
    statistic: GraphStatistic | Callable[..., Tensor],
    width: float | None = None,
) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy between statistics of two sets of graphs.

    .. math:: \mathrm{mean}_{ij} k(x_i, x_j) + \mathrm{mean}_{ij} k(y_i, y_j) - 2\, \mathrm{mean}_{ij} k(x_i, y_j),
              \qquad k(a, b) = \exp\Big(-\frac{|a - b|_1^2}{8 h^2}\Big)

    a Gaussian of half the sum of absolute differences, the total variation of histograms. The V-statistic, never below
    0: two sets of one law have a floor of the order of 1/n + 1/m, to be measured beside it. Papers differ in kernels
    and widths; compare figures of one function only.

    Source: the comparison of You et al., GraphRNN (ICML 2018), https://arxiv.org/abs/1802.08773, with the kernel of
        total variation of Liao et al., Efficient Graph Generation with Graph Recurrent Attention Networks (NeurIPS
        2019), https://arxiv.org/abs/1910.00760.

    Args:
        x: Adjacency matrices `[n, n]` of 0 and 1, symmetric with empty diagonals, of any sizes.
        y: Likewise.
        statistic: `Degrees()`, `Clustering()`, `Orbits()`, or a function of one matrix.
        width: h; that of the statistic if None.

    Raises: `InvalidInput` for an empty set, or a function without a width.

    Example:
        >>> triangle, path = torch.ones(3, 3) - torch.eye(3), torch.diag(torch.ones(2), 1)
        >>> graph_mmd([triangle], [path + path.T], Degrees())
        tensor(0.3985)
    """
    h = getattr(statistic, "width", None) if width is None else width
    require(len(x) > 0 and len(y) > 0, f"got {len(x)} and {len(y)} graphs, expected at least one of each")
    require(h is not None and h > 0, f"the width of the kernel is {h}, expected a positive number; give width")
    a, b = (torch.stack([statistic(graph.double()) for graph in graphs]) for graphs in (x, y))
    kernel = lambda p, q: (-torch.cdist(p, q, p=1).square() / (8 * float(h or 1) ** 2)).exp().mean()
    return (kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)).to(torch.get_default_dtype())


def planar(graphs: Sequence[Tensor]) -> float:
    """Share of graphs that hang together and can be drawn in the plane without crossings.

    By networkx: connected, and passing the left-right planarity test.

    Source: the validity of planar graphs of Martinkus et al., SPECTRE (ICML 2022), https://arxiv.org/abs/2204.01613.

    Args:
        graphs: Adjacency matrices `[n, n]` of 0 and 1, symmetric with empty diagonals, of any sizes.

    Raises: `InvalidInput` for no graphs.

    Example:
        >>> planar([torch.ones(4, 4) - torch.eye(4), torch.ones(5, 5) - torch.eye(5)])  # K5 is not
        0.5
    """
    import networkx as nx

    require(len(graphs) > 0, "got no graphs, expected one at least")
    drawn = 0
    for graph in graphs:
        found = nx.from_numpy_array(graph.cpu().numpy())
        drawn += len(found) > 0 and nx.is_connected(found) and nx.check_planarity(found)[0]
    return drawn / len(graphs)
