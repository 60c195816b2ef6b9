import torch

from pushforward.nets import ResidualMLP


def test_the_digits_setting_has_about_a_million_parameters():
    """64 pixels, width 256, 4 blocks, ten labels: counted by hand from the shapes in the docstring's equation."""
    net = ResidualMLP((64,), classes=10)
    time = (64 * 128 + 128) + (128 * 128 + 128)
    labels = 11 * 128
    ends = (64 * 256 + 256) + (256 * 64 + 64)
    blocks = 4 * 2 * (256 * 256 + 256)
    modulation = (128 + 1) * (3 * 4 + 2) * 256
    assert sum(p.numel() for p in net.parameters()) == time + labels + ends + blocks + modulation == 1_048_000


def test_blocks_start_as_the_identity():
    net = ResidualMLP((3,), width=8, depth=3)
    seen = []
    for block in net.blocks:
        block.register_forward_hook(lambda _m, args, _out: seen.append(args[0]))
    net(torch.randn(4, 3), torch.rand(4))
    assert len(seen) == 3
    assert torch.equal(seen[0], seen[2])


def test_a_few_steps_fit_a_field_that_bends_in_time():
    """v(x, t) = rotation of x by t: the loss falls tenfold, so neither time nor state is lost on the way."""
    torch.manual_seed(0)
    net = ResidualMLP((2,), width=64, depth=2, context=32)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)

    def loss():
        x, t = torch.randn(256, 2), torch.rand(256)
        c, s = (6 * t).cos(), (6 * t).sin()
        target = torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)
        return (net(x, t) - target).square().mean()

    first = loss().item()
    for _ in range(150):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss().item() < first / 10
