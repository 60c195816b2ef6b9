"""Guidance and distillation on the simplex: exact identities, neutral scales, and a sum that must rise."""

import pytest
import torch

from pushforward.core import Field, Incompatible, InvalidInput, Pairs
from pushforward.fields import Logits, NetField
from pushforward.guidance import SimplexClassifier, SimplexClassifierFree, StraightThrough
from pushforward.guidance.simplex import to_simplex
from pushforward.objectives import DirichletDistill
from pushforward.oracles import TokenLaw
from pushforward.paths import Dirichlet, GumbelSoftmax
from pushforward.solvers import Euler, Integrated, solve
from pushforward.spaces import Simplex

F64 = torch.float64
P = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]], dtype=F64)  # given y = 0, 1
PRIOR = torch.tensor([0.3, 0.7], dtype=F64)
PATH = Dirichlet()


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


class Labelled(torch.nn.Module):
    """The exact posterior given a label, or without one (-1); both depend on t and x."""

    def forward(self, x, t, cond):
        p = torch.cat([P, PRIOR @ P[None]])[cond.clamp(-1)]
        return p[:, None].log() + PATH.log_likelihood(x, t)


FIELD = NetField(Labelled(), Logits(), PATH)


def states(n=64, path=PATH, positions=1, K=4):
    x = path.space.noise(torch.empty(n, positions, K, dtype=F64), generator=gen())
    return x, torch.linspace(0.05, 1, n, dtype=F64), torch.arange(n) % 2


def noisy_classifier(x, t, cond):
    """The exact log p(y | x_t)."""
    like = PATH.log_likelihood(x, t)[:, 0]
    joint = torch.stack([(P[y].log() + like).logsumexp(-1) + PRIOR[y].log() for y in (0, 1)], -1)
    return joint.log_softmax(-1).gather(1, cond[:, None])[:, 0]


def test_guidance_of_posteriors_is_guidance_of_scores():
    x, t, cond = states()
    g, null = 1.2, torch.full_like(cond, -1)
    strong, weak = FIELD.law(x, t, cond).mean, FIELD.law(x, t, null).mean
    score = g * PATH.score(strong, x, t) + (1 - g) * PATH.score(weak, x, t)
    guided = SimplexClassifierFree(FIELD, g).law(x, t, cond).mean
    torch.testing.assert_close(guided, to_simplex(PATH.posterior(score, x, t)), rtol=1e-9, atol=1e-12)


def test_the_exact_classifier_gives_the_conditional_posterior():
    x, t, cond = states()
    plain = NetField(TokenLaw(PRIOR @ P).on_simplex(PATH), Logits(), PATH)
    found = SimplexClassifier(plain, noisy_classifier, 1.0).law(x, t, cond).mean
    torch.testing.assert_close(found, FIELD.law(x, t, cond).mean, rtol=1e-8, atol=1e-10)


def test_a_tilt_is_a_law_that_the_projection_differs_from():
    x, t, cond = states()
    strong, weak = FIELD.law(x, t, cond).mean, FIELD.law(x, t, torch.full_like(cond, -1)).mean
    tilted = SimplexClassifierFree(FIELD, 3.0, tilt=True).law(x, t, cond).mean
    torch.testing.assert_close(tilted, (strong**3 / weak**2) / (strong**3 / weak**2).sum(-1, keepdim=True))
    assert (tilted - SimplexClassifierFree(FIELD, 3.0).law(x, t, cond).mean).abs().max() > 0.05


def test_projection_is_the_nearest_law_and_leaves_laws_alone():
    y = torch.randn(50, 6, generator=gen(), dtype=F64)
    y = y + (1 - y.sum(-1, keepdim=True)) / 6
    p = to_simplex(y)
    assert p.min() >= 0
    torch.testing.assert_close(p.sum(-1), torch.ones(50, dtype=F64))
    assert torch.equal(to_simplex(p), p)
    laws = y.softmax(-1)
    assert torch.equal(to_simplex(laws), laws)
    others = torch.rand(200, 1, 6, generator=gen(1), dtype=F64).log().neg()
    others = others / others.sum(-1, keepdim=True)
    # variational inequality of a projection on a convex set
    assert ((y - p) * (others - p)).sum(-1).max() < 1e-12


@pytest.mark.parametrize(
    "make",
    [
        lambda scale: SimplexClassifierFree(FIELD, scale),
        lambda scale: SimplexClassifierFree(FIELD, scale, tilt=True),
        lambda scale: SimplexClassifier(FIELD, noisy_classifier, scale),
        lambda scale: StraightThrough(FIELD, lambda z, cond: z[..., 0].sum(1), scale),
    ],
)
def test_neutral_scales_are_the_field_and_others_stay_in_the_simplex(make):
    x, t, cond = states()
    neutral = 1.0 if isinstance(make(1.0), SimplexClassifierFree) else 0.0
    assert torch.equal(make(neutral)(x, t, cond), FIELD(x, t, cond))
    assert isinstance(make(2.0), Field)
    guided = make(2.0)(x, t, cond)
    assert (guided - FIELD(x, t, cond)).abs().max() > 1e-2
    assert guided.sum(-1).abs().max() < 1e-12
    assert make(2.0).span == (0.0, 1.0)
    single = make(2.0)(x.float(), t.float(), cond)
    assert single.dtype == torch.float32
    assert single.isfinite().all()
    with pytest.raises(InvalidInput, match="scale=-1"):
        make(-1.0)


def test_a_vertex_and_the_first_instant_are_finite():
    x = torch.eye(4, dtype=F64)[:, None]
    for t in (0.0, 1.0):
        at, cond = torch.full((4,), t, dtype=F64), torch.zeros(4, dtype=torch.int64)
        assert SimplexClassifierFree(FIELD, 3.0)(x, at, cond).isfinite().all()
        assert SimplexClassifier(FIELD, noisy_classifier, 3.0)(x, at, cond).isfinite().all()


def test_a_linear_predictor_has_the_slope_of_its_expectation():
    weight = torch.randn(2, 4, generator=gen(), dtype=F64)
    guided = StraightThrough(FIELD, lambda z, cond: (z * weight).sum((1, 2)), 1.0, draws=1)
    probs = torch.rand(5, 2, 4, generator=gen(1), dtype=F64).softmax(-1)
    torch.testing.assert_close(guided.slope(probs), weight.expand(5, 2, 4))


@pytest.mark.parametrize(
    ("path", "scales"), [(GumbelSoftmax(), (0.1, 0.3)), (Dirichlet(), (1.0, 3.0))], ids=["gumbel", "dirichlet"]
)
def test_straight_through_guidance_raises_what_is_predicted(path, scales):
    """How many of 3 positions show symbol 0, by the scale; without guidance the mean of a product law.

    The noise of Gumbel-softmax is small (logits of 1.28 / tau = 0.064), so little push goes far.
    """
    n, p = 600, torch.tensor([0.2, 0.3, 0.3, 0.2], dtype=F64)
    table = torch.einsum("a,b,c->abc", p, p, p)
    field = NetField(TokenLaw(table).on_simplex(path), Logits(), path)
    x0 = path.space.noise(torch.empty(n, 3, 4, dtype=F64), generator=gen())
    counts = []
    for scale in (0.0, *scales):
        guided = StraightThrough(field, lambda z, cond: z[..., 0].sum(1), scale, draws=2, generator=gen(1))
        x = solve(guided, x0, torch.linspace(0, 1, 41), solver=Euler(path.space)).x
        counts.append((guided.law(x, torch.ones(n, dtype=F64)).mean[..., 0]).sum(1))
    means = [c.mean().item() for c in counts]
    assert abs(means[0] - 0.6) < 4.5 * counts[0].std() / n**0.5 + 0.03  # 40 steps of Euler
    assert means[0] + 0.1 < means[1] < means[2] - 0.1


def test_a_student_is_told_where_the_teacher_arrives():
    law = TokenLaw([0.5, 0.3, 0.2])
    teacher = NetField(law.on_simplex(PATH), Logits(), PATH)
    distill = DirichletDistill(teacher, Integrated(teacher, Euler(Simplex()), 20))
    x0 = Simplex().noise(torch.empty(400, 1, 3, dtype=F64), generator=gen())
    batch = Pairs((x0, x0))
    symbols = distill.symbols(batch)
    x1 = solve(teacher, x0, torch.linspace(0, 1, 21, dtype=F64), solver=Euler(Simplex())).x
    assert torch.equal(symbols, teacher.law(x1, torch.ones(400, dtype=F64)).mode)
    perfect = lambda x, t, cond: 50.0 * torch.nn.functional.one_hot(symbols, 3)
    assert distill(perfect, batch).value < 1e-12
    assert torch.equal(distill.said(perfect, batch).mode, symbols)
    flat = distill(lambda x, t, cond: torch.zeros_like(x), batch).value
    assert flat.item() == pytest.approx(torch.tensor(3.0).log().item())


@pytest.mark.story
def test_a_student_learns_the_map():
    """One hidden layer, 1 symbol of 3: nine in ten symbols after 150 steps, and the data's shares."""
    p = torch.tensor([0.5, 0.3, 0.2])
    teacher = NetField(TokenLaw(p).on_simplex(PATH), Logits(), PATH)
    distill = DirichletDistill(teacher, Integrated(teacher, Euler(Simplex()), 10))
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
    net = lambda x, t, cond: body(x)
    optimiser = torch.optim.Adam(body.parameters(), 1e-2)
    draw = lambda n, seed: Pairs((Simplex().noise(torch.empty(n, 1, 3), generator=gen(seed)),) * 2)
    for step in range(150):
        optimiser.zero_grad()
        distill(net, draw(128, step)).value.backward()
        optimiser.step()
    batch = draw(2000, 10_000)
    symbols, told = distill.said(net, batch).mode, distill.symbols(batch)
    assert (symbols == told).double().mean() > 0.9
    assert (torch.bincount(symbols[:, 0], minlength=3) / 2000 - p).abs().max() < 0.1


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Incompatible, match="SimplexClassifierFree steers what a field says"):
        SimplexClassifierFree(lambda x, t, cond: x, 2.0)
    gumbel = NetField(TokenLaw([0.5, 0.5]).on_simplex(GumbelSoftmax()), Logits(), GumbelSoftmax())
    with pytest.raises(Incompatible, match="clock; got NetField on GumbelSoftmax"):
        SimplexClassifier(gumbel, noisy_classifier, 1.0)
    with pytest.raises(InvalidInput, match="draws is 0"):
        StraightThrough(FIELD, lambda z, cond: z.sum((1, 2)), 1.0, draws=0)
    with pytest.raises(InvalidInput, match="cond=None"):
        SimplexClassifierFree(FIELD, 2.0)(*states()[:2])
    with pytest.raises(InvalidInput, match=r"gave shape \[64, 4\]"):
        StraightThrough(FIELD, lambda z, cond: z[:, 0], 1.0)(*states())
    with pytest.raises(Incompatible, match="says no law"):
        DirichletDistill(lambda x, t, cond: x, Integrated(FIELD, Euler(Simplex()), 2))
