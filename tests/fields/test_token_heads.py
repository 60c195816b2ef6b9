"""Heads and laws of symbols."""

import math

import pytest
import torch

from pushforward.core import Head, Incompatible, InvalidInput, Law, Pairs
from pushforward.fields import Categorical, Endpoint, Logits, NetField, Noise, Score, SourceLogits
from pushforward.oracles import TokenLaw
from pushforward.paths import Affine, Mixture
from pushforward.spaces import Tokens

PATH, MASKED = Mixture(Tokens(3)), Mixture(Tokens(3, mask=True))
TABLE = [[0.30, 0.02, 0.10], [0.05, 0.08, 0.15], [0.15, 0.12, 0.03]]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("event", [(), (4,), (2, 3)], ids=str)
def test_a_law_is_torchs_own(event):
    logits, y = torch.randn(7, *event, 5, generator=gen()), torch.randint(5, (7, *event), generator=gen(1))
    law, reference = Categorical(logits), torch.distributions.Categorical(logits=logits)
    assert isinstance(law, Law)
    torch.testing.assert_close(law.mean, reference.probs)
    torch.testing.assert_close(law.log_prob(y), reference.log_prob(y)[..., None].flatten(1).sum(1))
    torch.testing.assert_close(law.loss(y), -law.log_prob(y) / max(1, y[0].numel()))
    assert law.sample(generator=gen()).shape == y.shape
    assert torch.equal(Categorical.at(y, 5).sample(), y)
    assert torch.equal(Categorical.at(y, 5).loss(y), torch.zeros(7))


def test_draws_have_their_chances():
    law = Categorical(torch.tensor([0.6, 0.3, 0.1]).log().expand(50_000, 3))
    shares = torch.bincount(law.sample(generator=gen()), minlength=3) / 50_000
    floor = (law.mean[0] * (1 - law.mean[0]) / 50_000).sqrt()
    assert ((shares - law.mean[0]).abs() < 4 * floor).all()


def test_a_law_is_scored_in_full_precision_and_refuses_other_shapes():
    law = Categorical(torch.zeros(2, 3, 4, dtype=torch.bfloat16))
    assert law.loss(torch.zeros(2, 3, dtype=torch.int64)).dtype == torch.float32
    with pytest.raises(InvalidInput, match=r"gave shape \[2, 3, 4\] for symbols of shape \[2, 4\]"):
        law.loss(torch.zeros(2, 4, dtype=torch.int64))


@pytest.mark.parametrize("path", [PATH, MASKED], ids=str)
def test_target_read_as_law_gives_the_velocity_of_the_path(path):
    x1 = torch.randint(3, (32, 2), generator=gen())
    point = path.sample(Pairs((path.space.noise(x1, generator=gen(1)), x1)), torch.linspace(0.05, 0.95, 32))
    head = Logits()
    assert isinstance(head, Head)
    law = Categorical.at(head.target(path, point), 3)
    torch.testing.assert_close(head.velocity(path, law, point.x, point.t), path.velocity(point))
    if not path.tokens.mask:
        source = Categorical.at(SourceLogits().target(path, point), 3)
        back = SourceLogits().velocity(path, source, point.x, point.t)
        assert (back.scatter(-1, point.x[..., None], 0.0) <= 0).all()  # followed with dt < 0
        assert back.sum(-1).abs().max() < 1e-5


@pytest.mark.parametrize("path", [PATH, MASKED], ids=str)
def test_the_exact_posterior_gives_the_exact_field_within_its_span(path):
    exact = TokenLaw(TABLE).along(path)
    field, x = NetField(exact, Logits(), path), torch.tensor([[0, 1], [2, path.tokens.size - 1]])
    t = torch.tensor([0.3, 0.8], dtype=torch.float64)
    torch.testing.assert_close(field(x, t), torch.stack([exact.rates(x[i : i + 1], t[i])[0] for i in range(2)]))
    for end in field.span:
        assert field(x, torch.full((2,), end)).abs().max() < 1001  # 1 / (1 - t)


def test_heads_refuse_what_they_cannot_speak_of():
    for head in (Endpoint(), Noise(), Score()):
        with pytest.raises(Incompatible, match=r"symbols|affine"):
            head.check(PATH)
    for head in (Logits(), SourceLogits()):
        with pytest.raises(Incompatible, match=r"needs a path of tokens .* got Affine on Euclidean"):
            head.check(Affine())
    with pytest.raises(Incompatible, match="all mask"):
        SourceLogits().check(MASKED)
    assert math.isclose(SourceLogits().span(PATH)[0], 1e-3)
