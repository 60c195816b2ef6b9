"""Training on tokens: what is minimised, by whom, and how much of it."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, Pairs, generator_from
from pushforward.couplings import ConditionalOT, ExactOT, Independent, Paired
from pushforward.fields import Logits, SourceLogits, Velocity
from pushforward.metrics import table_variation, table_variation_floor
from pushforward.objectives import DiscreteFlowMatching, FlowMatching
from pushforward.objectives.times import Beta, Stratified, Uniform
from pushforward.oracles import TokenLaw
from pushforward.paths import Affine, Mixture, Polynomial
from pushforward.solvers import ExactJump, solve
from pushforward.spaces import Tokens
from pushforward.transport import Hamming

PATHS = [Mixture(Tokens(3, mask=mask), Polynomial(2)) for mask in (False, True)]
each = pytest.mark.parametrize("path", PATHS, ids=str)
TABLE = torch.tensor([[0.30, 0.02, 0.02], [0.02, 0.28, 0.02], [0.02, 0.02, 0.30]], dtype=torch.float64)


def gen(*seed):
    return generator_from(0, *seed)


def batch(path, n, seed=0):
    x1 = TokenLaw(TABLE).sample(n, generator=gen("data", seed))
    return Pairs((path.space.noise(x1, generator=gen("noise", seed)), x1))


class Table(nn.Module):
    """Logits of its own for every x, on top of the exact ones; times are ignored."""

    def __init__(self, exact):
        super().__init__()
        self.exact, size = exact, exact.path.tokens.size
        self.extra = nn.Parameter(torch.zeros(size, size, 2, 3, dtype=torch.float64))

    def forward(self, x, t, cond=None):
        return self.exact(x, t) + self.extra[x[:, 0], x[:, 1]]


@each
@pytest.mark.parametrize("kind", [lambda path: FlowMatching(path, Logits()), DiscreteFlowMatching], ids=["ce", "bound"])
def test_the_exact_posterior_is_stationary(path, kind):
    """The gradient of 40 batches, each component within 4.5 standard errors of 0."""
    net = Table(TokenLaw(TABLE).along(path))
    gradients = []
    for k in range(40):
        loss = kind(path)(net, batch(path, 2000, k), generator=gen(k)).value
        gradients.append(torch.autograd.grad(loss, net.extra)[0])
    g = torch.stack(gradients)
    error = g.std(0) / len(g) ** 0.5
    assert g.isfinite().all()
    assert (g.mean(0).abs() <= 4.5 * error + 1e-12).all()
    assert (error > 0).any()


def test_with_the_mask_the_bound_of_the_exact_posterior_is_the_entropy():
    """Less the tail: CE at most max(-log p) = 4 nats over the last 1e-3 of kappa' dt, 2e-3 of kappa."""
    path, law = PATHS[1], TokenLaw(TABLE)
    net = law.along(path)
    values = torch.stack(
        [DiscreteFlowMatching(path)(net, batch(path, 5000, k), generator=gen(k)).value for k in range(20)]
    )
    error = (values.std() / len(values) ** 0.5).item()
    assert abs(values.mean() - law.entropy() / 2) < 4 * error + 8e-3
    assert error < 0.01


@each
def test_the_value_does_not_depend_on_the_law_of_times(path):
    net = lambda x, t, cond: torch.zeros(*x.shape, 3)
    found = []
    for times in (Uniform(0.0, 0.9), UniformSquared(0.9)):
        objective = DiscreteFlowMatching(path, times=times)
        values = [objective(net, batch(path, 4000, k), generator=gen(k)).value for k in range(10)]
        found.append((torch.stack(values).mean(), torch.stack(values).std() / 10**0.5))
    (a, da), (b, db) = found
    assert abs(a - b) < 4 * (da**2 + db**2).sqrt()


class UniformSquared:
    """t = high sqrt(q), p(t) = 2 t / high^2."""

    def __init__(self, high):
        self.high = high

    def quantile(self, q):
        return self.high * q.sqrt()

    def density(self, t):
        return 2 * t / self.high**2


@each
@pytest.mark.parametrize(
    "coupling", [Independent(), Paired(), ExactOT(cost=Hamming()), ConditionalOT(cost=Hamming())], ids=str
)
def test_indices_of_any_coupling_travel(path, coupling):
    x0, x1 = batch(path, 12).anchors
    cond = torch.arange(12) % 3
    pairs = coupling(x0, x1, cond, generator=gen())
    assert torch.equal(pairs.x1, x1)
    seen = []
    net = lambda x, t, c: seen.append(c) or torch.zeros(*x.shape, 3, requires_grad=True)
    for objective in (FlowMatching(path, Logits(), cond_drop=1.0), DiscreteFlowMatching(path)):
        assert objective(net, pairs, generator=gen()).value.isfinite()
    assert torch.equal(seen[0], torch.full((12,), -1))
    assert torch.equal(seen[1], cond)


@each
def test_weights_of_rows_count(path):
    pairs = batch(path, 6)
    pairs = pairs._replace(weight=torch.tensor([2.0, 0, 0, 0, 0, 0]))
    net = lambda x, t, cond: torch.zeros(*x.shape, 3)
    value = FlowMatching(path, Logits())(net, pairs).value
    assert value.item() == pytest.approx(math.log(3) * 2 / 6, rel=1e-5)


@pytest.mark.story
@each
def test_a_small_network_learns_the_law(path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(2 * path.tokens.size + 1, 64), nn.SiLU(), nn.Linear(64, 6))

        def forward(self, x, t, cond=None):
            seen = nn.functional.one_hot(x, path.tokens.size).flatten(1).float()
            return self.body(torch.cat([seen, t[:, None]], 1)).unflatten(1, (2, 3))

    torch.manual_seed(0)
    net, objective, law = Net(), DiscreteFlowMatching(path, draw=Stratified()), TokenLaw(TABLE)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(600):
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * (1 - step / 600)
        optimiser.zero_grad()
        objective(net, batch(path, 512, step), generator=gen(step)).value.backward()
        optimiser.step()
    n = 4000
    start = path.space.noise(torch.zeros(n, 2), generator=gen())
    x = solve(objective.field(net), start, torch.linspace(0, 1, 65), solver=ExactJump(path), generator=gen(1)).x
    # 0.55 for the product of the marginals; 0.019 is the bias of 64 steps
    assert table_variation(x, law.table) < 3 * table_variation_floor(law.table, n) + 0.019


def test_what_makes_no_sense_is_refused():
    path = PATHS[0]
    with pytest.raises(Incompatible, match="got Affine"):
        DiscreteFlowMatching(Affine())
    with pytest.raises(Incompatible, match="Logits"):
        DiscreteFlowMatching(path, SourceLogits())
    with pytest.raises(Incompatible, match="Logits"):
        DiscreteFlowMatching(path, Velocity())
    for times in (Uniform(), Beta()):
        with pytest.raises(Incompatible, match="diverges at t = 1"):
            DiscreteFlowMatching(path, times=times)
    assert FlowMatching(path, SourceLogits()).head == SourceLogits()
