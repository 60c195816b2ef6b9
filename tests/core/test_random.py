"""Derived generators: reproducible, independent, on the device and dtype of the state."""

import torch

from pushforward.core import generator_from, rand, randn, randn_like


def test_streams_depend_on_their_names_alone():
    draw = lambda *stream: torch.rand(4, generator=generator_from(*stream))
    assert torch.equal(draw(0, "time", 7), draw(0, "time", 7))
    different = [draw(0, "time", 7), draw(0, "time", 8), draw(1, "time", 7), draw(0, "noise", 7), draw(0, "time7")]
    assert len({tuple(d.tolist()) for d in different}) == len(different)


def test_streams_are_uncorrelated():
    a = torch.cat([torch.randn(100, generator=generator_from(0, k)) for k in range(200)])
    b = torch.cat([torch.randn(100, generator=generator_from(0, k + 1)) for k in range(200)])
    assert abs((a * b).mean()) < 4 / len(a) ** 0.5


def test_draws_take_the_dtype_of_the_state_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    g = torch.Generator().manual_seed(0)
    assert randn((3,), torch.zeros(1, dtype=torch.float64), generator=g).dtype == torch.float64
    assert rand((3,), torch.zeros(1, dtype=torch.int64), generator=g).dtype == torch.float32
    assert rand((3,), torch.zeros(1, dtype=torch.bfloat16), generator=g).dtype == torch.float32  # times among them
    assert randn((3,), torch.zeros(1, dtype=torch.bfloat16), generator=g).dtype == torch.bfloat16
    assert randn_like(torch.zeros(2, 5), generator=g).shape == (2, 5)
    assert torch.equal(torch.get_rng_state(), before)
