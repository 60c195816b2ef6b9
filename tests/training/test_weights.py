import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.training import load_weights, save_weights


def test_round_trip(toy, tmp_path):
    net, other = toy.line(), toy.line()
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.add_(1)
    save_weights(tmp_path / "model.safetensors", other)
    load_weights(tmp_path / "model.safetensors", net)
    assert all(torch.equal(tensor, toy.bits(other)[name]) for name, tensor in toy.bits(net).items())


def test_tied_shared_and_transient_tensors(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
            self.b.weight = self.a.weight
            both = torch.arange(6.0).reshape(3, 2)
            self.register_buffer("left", both[:, 0])  # slices of one storage, not contiguous
            self.register_buffer("right", both[:, 1])
            self.register_buffer("cache", torch.randn(3), persistent=False)

    first, second = Odd(), Odd()
    cache = second.cache.clone()
    save_weights(tmp_path / "w", first, {"note": "odd"})
    load_weights(tmp_path / "w", second)
    assert torch.equal(first.a.weight, second.b.weight)
    assert second.a.weight is second.b.weight
    assert torch.equal(second.left, torch.tensor([0.0, 2.0, 4.0]))
    assert torch.equal(second.cache, cache)


def test_dtype_of_the_module_is_kept(tmp_path):
    save_weights(tmp_path / "w", nn.Linear(2, 2))
    net = nn.Linear(2, 2).double()
    load_weights(tmp_path / "w", net)
    assert net.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(3, 2), r"'weight' has shape \[2, 2\], expected \[2, 3\]"),
        (nn.Linear(2, 2, bias=False), "only the file has 'bias'"),
        (nn.Sequential(nn.Linear(2, 2)), "only this model has '0.bias'"),
    ],
)
def test_weights_of_another_model_are_refused(tmp_path, other, message):
    save_weights(tmp_path / "w", nn.Linear(2, 2))
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(InvalidInput, match=message):
        load_weights(tmp_path / "w", other)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(InvalidInput, match="does not exist"):
        load_weights(tmp_path / "none", nn.Linear(2, 2))
    (tmp_path / "w").write_bytes(b"not tensors")
    with pytest.raises(InvalidInput, match="is damaged"):
        load_weights(tmp_path / "w", nn.Linear(2, 2))
