"""Guidance of token sequences by a classifier: exact on tables, and what the first order is good for."""

import pytest
import torch

from pushforward.bench.discrete import law_at_end
from pushforward.core import Field, Incompatible, InvalidInput
from pushforward.fields import Logits, NetField
from pushforward.guidance import RateGuidance
from pushforward.oracles import TokenLaw
from pushforward.oracles.token_law import every_state
from pushforward.paths import Dirichlet, Mixture, Polynomial
from pushforward.solvers import Euler, ExactJump, Unmask, solve
from pushforward.spaces import Tokens

F64 = torch.float64
VOCAB = 3
PATH = Mixture(Tokens(VOCAB, mask=True), Polynomial(2))


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def random_table(positions, seed):
    table = torch.rand((VOCAB,) * positions, generator=gen(seed), dtype=F64)
    return table / table.sum()


def problem(positions=3):
    """The law of the data, p(y | x1) of one wish as a table, and the law given y."""
    table, chance = random_table(positions, 0), torch.rand((VOCAB,) * positions, generator=gen(1), dtype=F64)
    return TokenLaw(table), chance, TokenLaw(table * chance / (table * chance).sum())


def every_noisy_state(positions=3):
    x = every_state(VOCAB + 1, positions)
    return x, torch.linspace(0.05, 0.95, len(x), dtype=F64)


def exact_classifier(law, chance):
    """log p(y | x_t), with the masks summed over."""

    def said(x, t, cond):
        weight = torch.ones(len(x), *[1] * law.length, dtype=F64)
        for i in range(law.length):
            fits = (x[:, i, None] == torch.arange(VOCAB)) | (x[:, i, None] == VOCAB)
            weight = weight * fits.reshape(len(x), *(VOCAB if a == i else 1 for a in range(law.length)))
        return (weight * law.table * chance).flatten(1).sum(1).log() - (weight * law.table).flatten(1).sum(1).log()

    return said


def fields(positions=3):
    """The guided field with everything exact, and the field given y."""
    law, chance, given = problem(positions)
    plain, wanted = (NetField(part.along(PATH), Logits(), PATH) for part in (law, given))
    return plain, exact_classifier(law, chance), wanted


def test_the_exact_classifier_gives_the_rates_and_the_law_given_the_wish():
    plain, classifier, wanted = fields()
    x, t = every_noisy_state()
    guided = RateGuidance(plain, classifier, 1.0)
    masked = (x == VOCAB)[..., None]
    torch.testing.assert_close(guided(x, t), wanted(x, t), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(
        torch.where(masked, guided.law(x, t).mean, 0.0), torch.where(masked, wanted.law(x, t).mean, 0.0)
    )
    assert (guided(x, t) - plain(x, t)).abs().max() > 0.1


def test_guided_chains_arrive_at_the_law_given_the_wish():
    """By the law of every exact jump, the error of which falls as 1 / steps; one symbol a step has none.

    Of n draws among m cells the mean total variation from their law is below sqrt(m / n) / 2, with deviations of
    1 / sqrt(4 n) at most (McDiarmid: a draw moves it by 1 / n).
    """
    law, chance, given = problem(2)
    guided = RateGuidance(NetField(law.along(PATH), Logits(), PATH), exact_classifier(law, chance), 1.0)
    apart = lambda shares, table: ((shares[:VOCAB, :VOCAB] - table).abs().sum() / 2).item()
    ends = [law_at_end(ExactJump(PATH), guided, torch.linspace(0, 1, k + 1, dtype=F64)) for k in (32, 64)]
    assert apart(ends[0], given.table) / apart(ends[1], given.table) == pytest.approx(2, rel=0.1)
    assert apart(ends[1], law.table) > 10 * apart(ends[1], given.table)
    n, one_each = 4000, PATH.time_at(torch.tensor([0.0, 0.5, 1.0]))
    x0 = PATH.space.noise(torch.zeros(n, 2, dtype=torch.int64))
    x = solve(guided, x0, one_each, solver=Unmask(PATH, noise=float("inf")), generator=gen(2)).x
    shares = torch.bincount(x @ torch.tensor([VOCAB, 1]), minlength=VOCAB**2).reshape(VOCAB, VOCAB) / n
    assert apart(shares, given.table) < (VOCAB**2 / n) ** 0.5 / 2 + 4 / (4 * n) ** 0.5
    assert apart(shares, law.table) > 0.1


def test_one_gradient_is_right_to_first_order():
    """A log-probability that is linear in one-hot vectors has no higher order; of others the error is of second order.

    Halving a smooth classifier's slope divides the difference between gains and their Taylor values by four.
    """
    plain, _, _ = fields()
    weight = torch.randn(3, VOCAB + 1, generator=gen(3), dtype=F64)
    x, t = every_noisy_state()

    def linear(x, t, cond, strength=1.0):
        shown = x if x.is_floating_point() else torch.nn.functional.one_hot(x, VOCAB + 1).to(F64)
        return strength * (shown * weight).sum((1, 2))

    gains = [RateGuidance(plain, linear, 2.0, taylor=taylor).gains(x, t) for taylor in (False, True)]
    torch.testing.assert_close(*gains)
    assert gains[0].abs().max() > 0.5
    errors = []
    for strength in (0.1, 0.05):
        curved = lambda x, t, cond, strength=strength: torch.nn.functional.logsigmoid(linear(x, t, cond, strength))
        exact, first = (RateGuidance(plain, curved, taylor=taylor).gains(x, t) for taylor in (False, True))
        errors.append((exact - first).abs().sum())
    assert (errors[0] / errors[1]).item() == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("taylor", [False, True])
def test_a_scale_of_zero_is_the_field_and_every_row_goes_by_itself(taylor):
    plain, classifier, _ = fields()
    if taylor:
        classifier = lambda x, t, cond: t * (x[..., 0].sum(1) + cond).tanh()
    else:
        exact = classifier
        classifier = lambda x, t, cond: cond * exact(x, t, None)
    x, t = every_noisy_state()
    cond = torch.linspace(0.5, 1.5, len(x), dtype=F64)
    guided = RateGuidance(plain, classifier, 2.0, taylor=taylor)
    neutral = RateGuidance(plain, classifier, 0.0, taylor=taylor)
    assert torch.equal(neutral(x, t, cond), plain(x, t))
    assert torch.equal(neutral.law(x, t, cond).logits, plain.law(x, t).logits)
    assert isinstance(guided, Field)
    assert guided.span == plain.span
    whole = guided(x, t, cond)
    torch.testing.assert_close(
        torch.cat([guided(*(part[k : k + 1] for part in (x, t, cond))) for k in range(9)]), whole[:9]
    )
    assert guided(x, t.float(), cond).isfinite().all()
    torch.testing.assert_close(
        whole.sum(-1), torch.zeros_like(whole[..., 0]), rtol=0, atol=1e-10 * whole.abs().max().item()
    )


def test_a_huge_scale_stays_finite_and_shows_what_is_wished():
    plain, _, _ = fields()
    likes = lambda x, t, cond: 50.0 * (x == 1).sum(1)
    guided = RateGuidance(plain, likes, 100.0)
    x = torch.full((4, 3), VOCAB)
    assert guided(x, torch.full((4,), 0.5)).isfinite().all()
    arrived = solve(guided, x, [0.0, 0.5, 0.99], solver=Euler(PATH.space), generator=gen()).x
    assert torch.equal(arrived, torch.ones_like(x))


def test_what_makes_no_sense_is_refused():
    plain, classifier, _ = fields()
    with pytest.raises(InvalidInput, match="scale=-1"):
        RateGuidance(plain, classifier, -1.0)
    with pytest.raises(Incompatible, match="steers what a field says"):
        RateGuidance(lambda x, t, cond: x, classifier)
    law = TokenLaw([0.5, 0.5])
    for path, view in ((Mixture(Tokens(2)), law.along), (Dirichlet(), law.on_simplex)):
        with pytest.raises(Incompatible, match=r"from the mask, got .*use Mixture\(Tokens\(..., mask=True"):
            RateGuidance(NetField(view(path), Logits(), path), classifier)
    with pytest.raises(InvalidInput, match=r"gave shape \[2, 3\], expected \[2\]"):
        RateGuidance(plain, lambda x, t, cond: x.double())(torch.full((2, 3), VOCAB), torch.zeros(2))
