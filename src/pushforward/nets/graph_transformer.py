"""A transformer over graphs: nodes, and pairs of nodes."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, InvalidInput, State, require, shapes
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed

__all__ = ["GraphTransformer", "as_matrix", "as_pairs", "walk_features"]

_FAR = -1e4  # what keeps attention from absent nodes; finite, so that a graph of none gives no NaN


def as_matrix(pairs: Float[Tensor, "b p *k"], nodes: int) -> Float[Tensor, "b nodes nodes *k"]:
    """What is said of pairs i < j, row by row, as a symmetric matrix with zeros on the diagonal.

    Example:
        >>> as_matrix(torch.tensor([[1.0, 2.0, 3.0]]), 3)[0]
        tensor([[0., 1., 2.],
                [1., 0., 3.],
                [2., 3., 0.]])
    """
    i, j = torch.triu_indices(nodes, nodes, 1, device=pairs.device)
    where = torch.zeros(nodes, nodes, dtype=torch.int64, device=pairs.device)
    where[i, j] = where[j, i] = torch.arange(1, len(i) + 1, device=pairs.device)  # 0 is the diagonal
    return torch.cat([torch.zeros_like(pairs[:, :1]), pairs], 1)[:, where]


def as_pairs(matrix: Float[Tensor, "b nodes nodes2 *k"]) -> Float[Tensor, "b p *k"]:
    """The entries i < j of a matrix, row by row.

    Example:
        >>> as_pairs(as_matrix(torch.tensor([[1.0, 2.0, 3.0]]), 3))
        tensor([[1., 2., 3.]])
    """
    i, j = torch.triu_indices(matrix.shape[1], matrix.shape[1], 1, device=matrix.device)
    return matrix[:, i, j]


def walk_features(
    weights: Float[Tensor, "b n n2"], real: Float[Tensor, "b n"], walks: int
) -> tuple[Float[Tensor, "b n walks"], Float[Tensor, "b n n2 walks"]]:
    r"""What random walks of 1 to K steps along weighted edges say of nodes and of pairs.

    .. math:: \log\big(1 + n\, S^k_{ij}\big), \qquad S = D^{-1/2} A D^{-1/2}, \quad D_{ii} = \sum_j A_{ij}

    on pairs; on nodes i = j, where the first is D_ii / n instead, as no walk of one step returns. A power of S tells
    pairs at distance k apart, which is what a structure such as planarity is made of.

    Source: the relative random walk probabilities of Ma et al., Graph Inductive Biases in Transformers without Message
        Passing (ICML 2023), https://arxiv.org/abs/2305.17589, as features of noisy graphs in Qin et al., DeFoG (ICML
        2025), https://arxiv.org/abs/2410.04263. Differs: symmetric, and of soft edges.

    Example:
        >>> nodes, pairs = walk_features(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), torch.ones(1, 2), 2)
        >>> nodes[0, 0].expm1(), pairs[0, 0, 1].expm1()
        (tensor([0.5000, 2.0000]), tensor([2., 0.]))
    """
    size = real.sum(1).clamp_min(1)[:, None, None]
    degrees = weights.sum(2)
    root = degrees.clamp_min(1e-6).rsqrt()
    step = weights * root[:, :, None] * root[:, None]
    powers = [step]
    for _ in range(walks - 1):
        powers.append(powers[-1] @ step)
    back = [power.diagonal(dim1=1, dim2=2) * size[:, 0] for power in powers[1:]]
    nodes = torch.stack([degrees / size[:, 0], *back], -1)
    return nodes.log1p(), (size[..., None] * torch.stack(powers, -1)).log1p()


class _Block(nn.Module):
    def __init__(self, width: int, pair_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.bias = nn.Linear(pair_width, heads)
        self.outward = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU("tanh"), nn.Linear(2 * width, width))
        self.modulation = zeroed(nn.Linear(width, 6 * width))
        self.ends = nn.Linear(width, pair_width)
        self.sides = nn.Linear(pair_width, pair_width)
        self.pair_mlp = nn.Sequential(
            nn.Linear(3 * pair_width, 2 * pair_width), nn.GELU("tanh"), nn.Linear(2 * pair_width, pair_width)
        )
        self.pair_modulation = zeroed(nn.Linear(width, 3 * pair_width))

    def forward(self, h: Tensor, e: Tensor, context: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(context)[:, None].chunk(6, dim=-1)
        h = h + gate * self._attend(modulate(h, shift, scale), e, real)
        h = h + mlp_gate * self.mlp(modulate(h, mlp_shift, mlp_scale))
        shift, scale, gate = self.pair_modulation(context)[:, None, None].chunk(3, dim=-1)
        f, ends = modulate(e, shift, scale), self.ends(h)
        # over the third corner of every triangle: what two sides say to the pair across, symmetric as they are alike
        sides = self.sides(f) * (real[:, :, None] * real[:, None])[..., None]
        across = torch.einsum("bikc,bkjc->bijc", sides, sides) / real.sum(1).clamp_min(1)[:, None, None, None]
        told = torch.cat([f, across, ends[:, :, None] + ends[:, None]], -1)
        return h, e + gate * self.pair_mlp(told)

    def _attend(self, h: Tensor, e: Tensor, real: Tensor) -> Tensor:
        q, k, v = self.inward(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        bias = self.bias(e).permute(0, 3, 1, 2) + (1 - real)[:, None, None, :] * _FAR
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class GraphTransformer(nn.Module):
    r"""Attention between nodes with a bias from their pairs, and pairs that hear their ends and the sides across.

    .. math:: h_i \leftarrow h_i + \sum_j \mathrm{softmax}_j\big(q_i \cdot k_j + b(e_{ij})\big)\, v_j, \qquad
              e_{ij} \leftarrow e_{ij} + \mathrm{MLP}\Big(e_{ij},\ \tfrac1n \sum_k s_{ik} s_{kj},\ u_i + u_j\Big)

    with adaptive normalisation by time. Equivariant under permutations of the nodes; pairs are symmetric. It starts by
    saying that all classes are alike. With `walks` it is told besides what `walk_features` says of the noisy graph,
    every pair an edge by sigmoid(a(t) x_ij + b(t)) with learned a and b: what a graph such as a planar one asks for,
    whose law is not one of small neighbourhoods.

    Source: in the spirit of the graph transformer of Vignac et al., DiGress (ICLR 2023),
        https://arxiv.org/abs/2209.14734; the product over third corners and the walks stand in the place of its
        hand-made cycles and eigenvectors.

    Args:
        node_classes: Classes of a node, K; 1 where nodes are all alike.
        pair_classes: Classes of a pair, E, no edge among them.
        width: Size of a node's token.
        pair_width: Size of a pair's.
        depth: Number of blocks.
        heads: Attention heads; divides `width`.
        walks: Longest random walk K on the noisy graph that is looked at; 0 looks at none.

    Shapes: `x` a mapping with `nodes` `[B, N, K]` and `edges` `[B, N (N - 1) / 2, E]`, the pairs i < j row by row;
        `cond` None, or a mapping with `real` `[B, N]`, 0 for padding. Gives logits shaped like `x`.
    Raises: `InvalidInput` for sizes out of range and for states or conditions of another shape.

    Example:
        >>> net = GraphTransformer(1, 2, width=16, pair_width=8, depth=1)
        >>> net({"nodes": torch.zeros(2, 5, 1), "edges": torch.zeros(2, 10, 2)}, torch.zeros(2))["edges"].shape
        torch.Size([2, 10, 2])
    """

    def __init__(
        self,
        node_classes: int,
        pair_classes: int,
        *,
        width: int = 64,
        pair_width: int = 32,
        depth: int = 4,
        heads: int = 4,
        walks: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"node_classes": node_classes, "pair_classes": pair_classes, "width": width, "pair_width": pair_width}
        for name, size in (sizes | {"depth": depth, "heads": heads}).items():
            require(size >= 1, f"GraphTransformer got {name}={size}, expected at least 1")
        require(width % heads == 0, f"GraphTransformer got width={width}, expected a multiple of heads={heads}")
        require(walks >= 0, f"GraphTransformer got walks={walks}, expected a number of steps, or 0 for no walks")
        self.classes, self.walks = (node_classes, pair_classes), walks
        self.context = Context(width)
        self.edge = nn.Linear(width, pair_classes + 1) if walks else None
        self.first = nn.Linear(node_classes + walks, width)
        self.first_pair = nn.Linear(pair_classes + walks, pair_width)
        self.blocks = nn.ModuleList(_Block(width, pair_width, heads) for _ in range(depth))
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, node_classes))
        self.pair_modulation = zeroed(nn.Linear(width, 2 * pair_width))
        self.last_pair = zeroed(nn.Linear(pair_width, pair_classes))

    def forward(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> dict[str, Tensor]:
        """The network's answer; what it says of padding means nothing."""
        nodes, pairs = self._parts(x)
        real = self._real(nodes, cond)
        context = self.context(t)
        h, e = self._seen(nodes, pairs, context, real)
        for block in self.blocks:
            h, e = block(h, e, context, real)
        shift, scale = self.modulation(context)[:, None].chunk(2, dim=-1)
        pair_shift, pair_scale = self.pair_modulation(context)[:, None].chunk(2, dim=-1)
        return {
            "nodes": self.last(modulate(h, shift, scale)),
            "edges": self.last_pair(modulate(as_pairs(e), pair_shift, pair_scale)),
        }

    def _seen(self, nodes: Tensor, pairs: Tensor, context: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes and pairs, with what walks say of them."""
        n = nodes.shape[1]
        if self.edge is None:
            return self.first(nodes), as_matrix(self.first_pair(pairs), n)
        asked = self.edge(context)[:, None]
        chance = torch.sigmoid((pairs * asked[..., :-1]).sum(-1) + asked[..., -1])
        told, told_pairs = walk_features(as_matrix(chance, n) * real[:, :, None] * real[:, None], real, self.walks)
        return (
            self.first(torch.cat([nodes, told], -1)),
            as_matrix(self.first_pair(torch.cat([pairs, as_pairs(told_pairs)], -1)), n),
        )

    def _parts(self, x: State) -> tuple[Tensor, Tensor]:
        if isinstance(x, Mapping) and sorted(x) == ["edges", "nodes"]:
            nodes, pairs = x["nodes"], x["edges"]
            n = nodes.shape[1] if nodes.ndim == 3 else 0
            if nodes.shape[2:] == self.classes[:1] and pairs.shape[1:] == (n * (n - 1) // 2, self.classes[1]):
                return nodes, pairs
        k, e = self.classes
        raise InvalidInput(
            f"the state is {shapes(x)}, expected a mapping with nodes [B, N, {k}] and edges [B, N (N - 1) / 2, {e}]"
        )

    @staticmethod
    def _real(nodes: Tensor, cond: Any) -> Tensor:
        if cond is None:
            return torch.ones_like(nodes[..., 0])
        if not isinstance(cond, Mapping) or sorted(cond) != ["real"] or cond["real"].shape != nodes.shape[:2]:
            raise InvalidInput(f"cond is {shapes(cond)}, expected a mapping with real {list(nodes.shape[:2])}")
        return cast(Tensor, cond["real"]).to(nodes.dtype)
