"""Networks of graphs: symmetry, padding, and shapes."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.nets import GraphTransformer, as_matrix, as_pairs, walk_features

close = torch.testing.assert_close
F64 = torch.float64


@pytest.fixture(params=[0, 3], ids=["plain", "walks"])
def net(perturbed, request):
    torch.manual_seed(0)
    return perturbed(GraphTransformer(3, 2, width=8, pair_width=6, depth=2, heads=2, walks=request.param)).double()


def draws(n=5):
    g = torch.Generator().manual_seed(0)
    x = {
        "nodes": torch.randn(2, n, 3, generator=g, dtype=F64),
        "edges": torch.randn(2, n * (n - 1) // 2, 2, generator=g, dtype=F64),
    }
    return x, torch.rand(2, generator=g, dtype=F64)


def permuted(x, order):
    return {"nodes": x["nodes"][:, order], "edges": as_pairs(as_matrix(x["edges"], len(order))[:, order][:, :, order])}


def test_pairs_and_matrices():
    pairs = draws()[0]["edges"]
    matrix = as_matrix(pairs, 5)
    assert torch.equal(matrix, matrix.transpose(1, 2))
    assert (matrix.diagonal(dim1=1, dim2=2) == 0).all()
    assert torch.equal(as_pairs(matrix), pairs)
    assert as_pairs(torch.zeros(2, 1, 1)).shape == (2, 0)


def test_the_answer_permutes_with_the_nodes(net):
    x, t = draws()
    order = torch.tensor([3, 0, 4, 1, 2])
    out, moved = net(x, t), net(permuted(x, order), t)
    close(moved, permuted(out, order))
    assert (out["edges"] - permuted(out, order)["edges"]).abs().max() > 1e-3


def test_padding_is_not_seen(net):
    x, t = draws()
    real = torch.tensor([[1.0, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=F64)
    out = net(x, t, {"real": real})
    small = {"nodes": x["nodes"][:1, :3], "edges": as_pairs(as_matrix(x["edges"], 5)[:1, :3, :3])}
    alone = net(small, t[:1])
    close(out["nodes"][:1, :3], alone["nodes"])
    close(as_pairs(as_matrix(out["edges"], 5)[:1, :3, :3]), alone["edges"])
    close(net(x, t)["nodes"][1], out["nodes"][1])


def test_walks_on_a_complete_graph_and_on_a_cycle():
    """In closed form: S^2 of K_n has 1 / (n - 1) and (n - 2) / (n - 1)^2, that of a cycle 1/2 and 1/4 two steps on."""
    n = 5
    complete = (torch.ones(1, n, n) - torch.eye(n)).double()
    nodes, pairs = (part.expm1() for part in walk_features(complete, torch.ones(1, n, dtype=F64), 2))
    close(nodes[0], torch.tensor([(n - 1) / n, n / (n - 1)], dtype=F64).expand(n, 2))
    close(pairs[0, 0, 1], n * torch.tensor([1 / (n - 1), (n - 2) / (n - 1) ** 2], dtype=F64))
    ring = torch.zeros(1, 7, 7, dtype=F64)
    for i in range(6):  # the seventh is padding
        ring[0, i, (i + 1) % 6] = ring[0, (i + 1) % 6, i] = 1
    real = torch.tensor([[1.0] * 6 + [0.0]], dtype=F64)
    nodes, pairs = (part.expm1() / 6 for part in walk_features(ring, real, 3))
    close(pairs[0, 0, :, 1], torch.tensor([0.5, 0, 0.25, 0, 0.25, 0, 0], dtype=F64))
    close(pairs[0, 0, :, 2], torch.tensor([0, 0.375, 0, 0.25, 0, 0.375, 0], dtype=F64))
    close(nodes[0, :6, 1:], torch.tensor([0.5, 0], dtype=F64).expand(6, 2))
    assert (pairs[0, 6] == 0).all()


def test_a_gradient_reaches_every_parameter_and_time_matters(net):
    x, t = draws()
    out = net(x, t)
    (out["nodes"].square().sum() + out["edges"].square().sum()).backward()
    for name, p in net.named_parameters():
        if "bias" in name and "bias.weight" not in name and p.grad is not None and p.grad.abs().max() < 1e-12:
            assert name.endswith("bias.bias")  # one number for all keys, which softmax takes away
            continue
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name
    assert (net(x, 0.5 * t)["edges"] - out["edges"]).abs().max() > 1e-4


def test_it_starts_by_saying_nothing():
    x, t = draws()
    out = GraphTransformer(3, 2, width=8, pair_width=6, depth=1, heads=2).double()(x, t)
    assert all((leaf == 0).all() for leaf in out.values())


def test_other_states_are_refused(net):
    x, t = draws()
    for wrong in (
        x["nodes"],
        {"nodes": x["nodes"]},
        x | {"edges": x["edges"][:, 1:]},
        x | {"nodes": x["nodes"][..., 1:]},
    ):
        with pytest.raises(InvalidInput, match="expected a mapping with nodes"):
            net(wrong, t)
    with pytest.raises(InvalidInput, match="expected a mapping with real"):
        net(x, t, {"real": torch.ones(2, 4)})
    with pytest.raises(InvalidInput, match="width=9, expected a multiple of heads"):
        GraphTransformer(1, 2, width=9)
    with pytest.raises(InvalidInput, match="walks=-1"):
        GraphTransformer(1, 2, walks=-1)
    with pytest.raises(InvalidInput, match="depth=0"):
        GraphTransformer(1, 2, depth=0)
