"""A network on sets of points that turns with them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, InvalidInput, require, shapes
from pushforward.nets.embeddings import Context
from pushforward.nets.inputs import check_events, check_sizes
from pushforward.nets.layers import zeroed

__all__ = ["EGNN"]


def _small(width: int, out: int | None = None) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), nn.Linear(width, width if out is None else out))


class _Layer(nn.Module):
    """Messages along all pairs, what they add to the points, and (but in the last layer) to the tokens."""

    def __init__(self, width: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.here = nn.Linear(width, width)
        self.there = nn.Linear(width, width, bias=False)
        self.between = nn.Linear(2, width, bias=False)
        self.message = nn.Sequential(*_small(width), nn.SiLU())
        self.push = nn.Sequential(nn.Linear(width, width), nn.SiLU(), zeroed(nn.Linear(width, outputs)))
        self.update = None if last else nn.Sequential(nn.Linear(2 * width, width), *_small(width))

    def forward(self, h: Tensor, x: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """New tokens, and the motions `[B, K, N, d]`."""
        n = x.shape[1]
        across = x[:, :, None] - x[:, None]
        far = (1 + across.square().sum(-1, keepdim=True)).sqrt()  # smooth where points meet, |x_i - x_j| far away
        m = self.here(h)[:, :, None] + self.there(h)[:, None] + self.between(torch.cat([far - 1, start], -1))
        m = self.message(m)
        pushes = self.push(m).to(x.dtype)[..., None, :] * (across / far)[..., None]
        motion = pushes.sum(2).permute(0, 3, 1, 2) / max(n - 1, 1)
        if self.update is None:
            return h, motion
        others = m.sum(2) - m.diagonal(dim1=1, dim2=2).mT
        return h + self.update(torch.cat([h, others], -1)), motion


class EGNN(nn.Module):
    r"""The E(n)-equivariant graph network on all pairs of points: it turns, mirrors, shifts and renumbers with them.

    .. math:: m_{ij} = \phi_m\big(h_i, h_j, s_{ij}, s^0_{ij}\big), \qquad
              x_i \leftarrow x_i + \frac{1}{N - 1} \sum_{j \ne i} \frac{x_i - x_j}{1 + s_{ij}}\, \phi_x(m_{ij}), \qquad
              h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_{j \ne i} m_{ij}\Big)

    with :math:`s_{ij} = \sqrt{1 + |x_i - x_j|^2} - 1`, :math:`s^0` that of the points as they came in. The answer is by
    how much the points moved in all layers, less its mean:

    .. math:: \mathrm{net}(\pi x Q^\top + a, t) = \pi\, \mathrm{net}(x, t)\, Q^\top, \qquad Q \in O(d)

    for permutations pi of points of one species; it is a motion on `spaces.Centred`. It cannot tell mirror images
    apart. Tokens start from the species, the time and the condition. It starts as the zero field.

    Source: Satorras, Hoogeboom & Welling, E(n) Equivariant Graph Neural Networks (ICML 2021),
        https://arxiv.org/abs/2102.09844; as a velocity in Klein, Kraemer & Noe, https://arxiv.org/abs/2306.15030.
        Differs: s in the place of the squared distance, which grows more slowly and, with it, directions that are
        smooth where points meet and shorter than 1; distances of the first layer are told to all.

    Args:
        shape: (N, d), N points of R^d.
        species: Of the N points, numbers from 0, where every row has the same; or K, where they differ from row to row
            and come with the condition; or None if all points are alike.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        times: 1, or 2 for flow maps: the network is told from when to when, and says the mean velocity between.
        outputs: Quantities that the head asks for, side by side on the first event axis.
        width: Size of a token and of a message.
        depth: Number of layers, >= 1.

    Shapes: `x` `[B, N, d]`, `t` `[B]` (`[B, 2]` with two times); `cond` labels `[B]` or vectors `[B, F]`; with K
        species a mapping with `species` `[B, N]`, int64, 0 to K - 1 or -1 for unknown, and, where there are classes or
        features, `label` or `vector`. Gives `[B, N, d]`, the first event axis `outputs` times as long.
    Raises: `InvalidInput` for sizes below 1, and for states, species and conditions of another shape.

    Example:
        >>> EGNN((4, 2), width=16)(torch.zeros(5, 4, 2), torch.zeros(5)).shape
        torch.Size([5, 4, 2])
        >>> net = EGNN((3, 3), species=2, width=16)  # two hydrogens and an oxygen, or whatever the row says
        >>> net(torch.zeros(1, 3, 3), torch.zeros(1), {"species": torch.tensor([[0, 0, 1]])}).shape
        torch.Size([1, 3, 3])
    """

    fixed: Tensor | None

    def __init__(
        self,
        shape: Sequence[int],
        *,
        species: int | Sequence[int] | None = None,
        classes: int | None = None,
        features: int | None = None,
        times: int = 1,
        outputs: int = 1,
        width: int = 64,
        depth: int = 4,
    ) -> None:
        super().__init__()
        self.shape = check_sizes("EGNN", shape, outputs=outputs, times=times, width=width, depth=depth)
        require(len(self.shape) == 2, f"EGNN got shape={list(shape)}, expected (N, d): N points of R^d")
        self.times = times
        self.condition = "label" if classes is not None else "vector" if features is not None else None
        self.context = Context(width, classes=classes, features=features, times=times)
        kinds, fixed = self._kinds(species)
        self.told = isinstance(species, int)
        self.species = None if kinds is None else nn.Embedding(kinds + 1, width)  # row 0 is unknown, -1
        self.register_buffer("fixed", fixed, persistent=False)
        self.layers = nn.ModuleList(_Layer(width, outputs, k == depth - 1) for k in range(depth))

    def _kinds(self, species: int | Sequence[int] | None) -> tuple[int | None, Tensor | None]:
        """The number of species, and those of the points where they are known."""
        if species is None or isinstance(species, int):
            require(species is None or species >= 1, f"EGNN got species={species}, expected at least 1")
            return species, None
        fixed = torch.tensor(list(species), dtype=torch.int64)
        require(
            len(fixed) == self.shape[0] and min(species) >= 0,
            f"EGNN got species={list(species)}, expected {self.shape[0]} numbers from 0 up, one for every point",
        )
        return int(fixed.max()) + 1, fixed

    def forward(
        self, x: Float[Tensor, "b n d"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b kn d"]:
        """The network's answer."""
        check_events(x, t, self.shape, self.times)
        kinds, rest = self._parts(x, cond)
        h = self.context(t, rest)[:, None].expand(-1, x.shape[1], -1)
        if self.species is not None:
            h = h + self.species(kinds + 1)
        start = (1 + (x[:, :, None] - x[:, None]).square().sum(-1, keepdim=True)).sqrt() - 1
        place: Any = x
        total: Any = 0.0
        for layer in self.layers:
            h, motion = layer(h, place, start)
            place, total = place + motion[:, 0], total + motion
        return (total - total.mean(2, keepdim=True)).flatten(1, 2)

    def _parts(self, x: Tensor, cond: Any) -> tuple[Any, Cond]:
        """Species `[N]` or `[B, N]`, and what else is told."""
        if not self.told:
            return self.fixed, cond
        if cond is None:
            return torch.full(x.shape[:2], -1, device=x.device), None
        known = {"species"} | ({self.condition} if self.condition else set())
        if not isinstance(cond, Mapping) or "species" not in cond or not set(cond) <= known:
            raise InvalidInput(
                f"cond is {shapes(cond)}, expected a mapping with {', '.join(sorted(known))}: this network is told the "
                "species of every row"
            )
        species = cast(Tensor, cond["species"])
        require(
            species.shape == x.shape[:2] and species.dtype == torch.int64,
            f"species is {species.dtype} of shape {list(species.shape)}, expected int64 of shape {list(x.shape[:2])}",
        )
        return species, cond.get(self.condition) if self.condition else None
