import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.fields import Endpoint, NetField, Noise, Score, Velocity
from pushforward.guidance import Autoguidance
from pushforward.inference import log_prob, round_trip_error, transport
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import Affine, VarianceExploding
from pushforward.solvers import RK4, Euler, Heun, Midpoint, Tsit5

DATA = torch.tensor([[1.7, -0.1], [-2.3, 1.2], [0.0, 0.0]], dtype=torch.float64)
LATENT = torch.tensor(  # shared/methods/paths-couplings.md, GMM-A: X_{1,0} of the three points
    [[0.040826223274, 0.541356771201], [-1.273136179287, 0.826641159367], [-0.753818334177, -0.459823788776]],
    dtype=torch.float64,
)


def steps(n):
    return torch.linspace(0, 1, n + 1, dtype=torch.float64)


@pytest.fixture(scope="module")
def mixture():
    return reference_mixture().along(Affine())


def test_reverse_finds_the_latents_of_the_mixture(mixture):
    latent = transport(mixture, DATA, solver=Tsit5(1e-8, 1e-8), reverse=True)
    torch.testing.assert_close(latent, LATENT, rtol=0, atol=1e-7)
    # on the way out the saddle at 0 stretches what the sheet's own 1e-8 left over
    torch.testing.assert_close(transport(mixture, LATENT, solver=Tsit5(1e-8, 1e-8)), DATA, rtol=0, atol=2e-6)


def test_one_gaussian_goes_where_its_closed_form_says():
    one = GaussianMixture([[1.0, -2.0]], [[[0.5, 0.1], [0.1, 0.2]]], [1.0]).along(Affine())
    x = transport(one, DATA, solver=RK4(), times=steps(100))
    zero, full = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(x, one.flow_map(DATA, zero, full), rtol=0, atol=1e-7)  # h^4 is 1e-8


@pytest.mark.parametrize("reverse", [False, True])
def test_the_grid_may_be_written_down_in_either_order(reverse):
    field = lambda x, t, cond: t[:, None] * x
    ways = [
        transport(field, DATA, solver=Heun(), times=times, reverse=reverse) for times in (steps(5), steps(5).flip(0))
    ]
    assert torch.equal(*ways)
    rows = torch.stack([steps(5), steps(5).flip(0), steps(5)], 1)
    assert torch.equal(transport(field, DATA, solver=Heun(), times=rows, reverse=reverse), ways[0])
    assert torch.equal(transport(field, DATA, solver=Heun(), times=steps(5).tolist(), reverse=reverse), ways[0])
    assert (ways[0][0, 0] < DATA[0, 0]) == reverse


def test_parts_of_the_way_and_conditions():
    field = lambda x, t, cond: cond[:, None] * torch.ones_like(x)
    cond = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    x = transport(field, DATA, solver=Euler(), times=[0.25, 0.75], cond=cond, reverse=True)
    torch.testing.assert_close(x, DATA - 0.5 * cond[:, None])


@pytest.mark.parametrize("times", [[1.0], torch.tensor(1.0), [0.0, 1.0, 0.5]], ids=str)
def test_unusable_grids_are_refused(times):
    with pytest.raises(InvalidInput, match="times"):
        transport(lambda x, t, cond: x, DATA, solver=Euler(), times=times)


@pytest.mark.parametrize(("solver", "order"), [(Euler(), 1), (Heun(), 3), (RK4(), 5)])
def test_round_trip_error_falls_with_the_steps(solver, order):
    # even orders are time-symmetric to leading order: what the way there loses the way back finds again
    field = lambda x, t, cond: torch.sin(2 * x)
    x = {"a": DATA, "b": DATA[:, :1]}
    both = lambda state, t, cond: {name: field(leaf, t, cond) for name, leaf in state.items()}
    coarse, fine = (round_trip_error(field, DATA, solver=solver, times=steps(n)) for n in (40, 80))
    moved = coarse > 0
    assert (torch.log2(coarse / fine)[moved] > order - 0.3).all()
    assert coarse.shape == (3,)
    assert round_trip_error(both, x, solver=solver, times=steps(4), reverse=False).shape == (3,)


def test_round_trip_error_of_euler_in_closed_form():
    x = torch.ones(1, 3, dtype=torch.float64)
    error = round_trip_error(lambda x, t, cond: x, x, solver=Euler(), times=steps(10))
    assert error.item() == pytest.approx(1 - (1 - 0.1**2) ** 10)


class Perturbed(nn.Module):
    """What `head` asks for along CondOT from N(0, 1) to N(0, 0.25), one part in a thousand off."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, x, t, cond=None):
        alpha, sigma = t[:, None], 1 - t[:, None]
        score = -x / (0.25 * alpha**2 + sigma**2)
        data, noise = -0.25 * alpha * score, -sigma * score
        return 1.001 * {Velocity(): data - noise, Endpoint(): data, Noise(): noise, Score(): score}[self.head]


@pytest.mark.parametrize("head", [Velocity(), Endpoint(), Noise(), Score()], ids=repr)
@pytest.mark.parametrize("solver", [Euler(), Midpoint(), Heun(), RK4()], ids=repr)
def test_the_default_grid_stays_where_the_head_is_regular(head, solver):
    """x_1 = x_0 / 2 and log p by hand. A relative error e of the network moves log |x| by at most e ln 1000 = 0.007,
    the thousandth that is left out by 0.002, and the steps by h^2, Euler's by h: 0.05 |x| covers them all. An end would
    be divided by zero."""
    field, x = NetField(Perturbed(head), head, Affine()), torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    assert (transport(field, x, solver=solver) - x / 2).abs().max() < 0.1
    assert (transport(field, x / 2, solver=solver, reverse=True) - x).abs().max() < 0.1
    exact = torch.distributions.Normal(0.0, 0.5).log_prob(x / 2).sum(1)
    assert (log_prob(field, x / 2, solver=solver) - exact).abs().max() < 0.3  # 2 x 0.05 from div, |x|^2 0.05 from x_0


@pytest.mark.parametrize(
    ("head", "times", "allowed"),
    [(Endpoint(), [0.0, 1.0], [0.0, 0.999]), (Noise(), [0.0, 1.0], [0.001, 1.0]), (Velocity(), [0, 2], [0.0, 1.0])],
    ids=repr,
)
def test_grids_that_leave_the_span_are_refused(head, times, allowed):
    field = NetField(Perturbed(head), head, Affine())
    guided = Autoguidance(field, field, 2.0)
    low, high = allowed
    match = f"times run from {times[0]:g} to {times[1]:g}.* regular only from {low:g} to {high:g}"
    for call in (transport, log_prob, round_trip_error):
        for fine in (torch.tensor(allowed), torch.tensor(allowed).double()):
            assert torch.isfinite(call(field, DATA.to(fine), solver=Euler(), times=fine)).all()
        for followed in (field, guided):
            with pytest.raises(InvalidInput, match=match):
                call(followed, DATA, solver=Euler(), times=times)


def test_a_head_that_is_regular_on_the_path_may_go_all_the_way():
    field = NetField(nn.Identity(), Endpoint(), Affine(VarianceExploding()))
    object.__setattr__(field, "net", lambda x, t, cond=None: x)
    assert torch.isfinite(transport(field, DATA, solver=RK4(), times=[0.0, 1.0])).all()
