"""States in bf16: times and coefficients stay in float32, states keep their dtype through training and sampling."""

import pytest
import torch

from pushforward import nets
from pushforward.core import Pairs
from pushforward.fields import Endpoint, NetEstimator, NetField, Noise, Score, Velocity
from pushforward.inference import log_prob, transport
from pushforward.objectives import FlowMatching, Stratified
from pushforward.paths import Affine, Brownian, CondOT, Constant, Cosine, VarianceExploding
from pushforward.solvers import RK4, Dopri5, Euler, Heun, Midpoint, Tsit5, solve

HALF = torch.bfloat16
SOLVERS = [Euler(), Midpoint(), Heun(), RK4(), Dopri5(1e-2, 1e-2), Tsit5(1e-2, 1e-2)]
PATHS = [Affine(), Affine(Cosine(), Brownian()), Affine(CondOT(), Constant()), Affine(VarianceExploding())]


def rows(n=256, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)).to(HALF)


class Seen:
    """A network that keeps what it was asked, and takes no other dtype of states than bf16."""

    def __init__(self):
        self.times = []

    def __call__(self, x, t, cond=None):
        assert x.dtype == HALF
        assert t.dtype == torch.float32
        self.times.append(t)
        return -x


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
def test_times_of_training_are_not_rounded_to_the_dtype_of_the_batch(head):
    """Stratified draws of 256 rows differ in every row; bf16 has only 128 times between 1/2 and 1."""
    net = Seen()
    loss = FlowMatching(head=head, draw=Stratified())(net, Pairs((rows(), rows(seed=1))))
    assert loss.value.dtype == torch.float32
    assert len(net.times[0].unique()) == 256


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_paths_keep_the_dtype_of_their_ends(path):
    t = torch.linspace(0.1, 0.9, 256)
    point = path.sample(Pairs((rows(), rows(seed=1))), t)
    assert point.x.dtype == path.velocity(point).dtype == HALF


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_solvers_count_time_in_float32_and_states_in_bf16(solver):
    net = Seen()
    times = torch.linspace(0, 1, 31)
    solution = solve(net, rows(4), times, solver=solver, save=True)
    assert torch.equal(solution.times, times)
    assert solution.x.dtype == solution.xs.dtype == HALF
    assert transport(net, rows(4), solver=solver).dtype == HALF


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
def test_views_keep_the_dtype_of_the_state(head):
    view, t = NetField(torch.nn.Identity(), head, Affine()), torch.full((4,), 0.5)
    object.__setattr__(view, "net", Seen())
    assert view(rows(4), t).dtype == HALF
    assert {end.dtype for end in NetEstimator(view)(rows(4), t)} == {HALF}


def test_log_densities_of_bf16_states():
    assert log_prob(Seen(), rows(4), solver=RK4(), times=[0.0, 0.5, 1.0]).isfinite().all()


@pytest.mark.parametrize("net", [nets.MLP, nets.ResidualMLP], ids=lambda net: net.__name__)
def test_networks_in_bf16_take_times_in_float32(net):
    half = net((2,), width=16).to(HALF)
    loss = FlowMatching()(half, Pairs((rows(8), rows(8, seed=1))))
    loss.value.backward()
    assert solve(half, rows(8), [0.0, 1.0], solver=Heun()).x.dtype == HALF


@pytest.mark.parametrize("net", [nets.UNet, nets.DiT], ids=lambda net: net.__name__)
def test_image_networks_in_bf16_take_times_in_float32(net):
    small = {"width": 8} if net is nets.UNet else {"width": 16, "depth": 1, "heads": 2, "patch": 2}
    half = net((1, 8, 8), **small).to(HALF)
    assert half(torch.zeros(2, 1, 8, 8, dtype=HALF), torch.rand(2)).dtype == HALF
