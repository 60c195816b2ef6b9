"""Flows of symbols: from texts to texts, what is known of their probability, and what makes no sense."""

import math

import numpy as np
import pytest
import torch

import pushforward as pf
from pushforward.config import parse
from pushforward.core import Incompatible, InvalidInput, generator_from
from pushforward.data import DNA, Arrays, Dataset, TextFile
from pushforward.fields import Logits, NetField
from pushforward.flow import evaluate
from pushforward.guidance import SimplexClassifierFree
from pushforward.oracles import TokenLaw

PARTS = {
    "path": {"type": "Mixture", "space": {"type": "Tokens", "mask": True}},
    "objective": "DiscreteFlowMatching",
    "net": {"type": "TokenTransformer", "width": 16, "depth": 1, "heads": 1},
    "training": {"steps": 4, "batch_size": 8, "workers": 0, "ema": None},
    "sampling": {"steps": 4},
}
TEXTS = ["ab ba", "abba!"] * 10


def flow(**changes):
    return pf.Flow(**{**PARTS, "seed": 0, **changes})


@pytest.fixture(scope="module")
def fitted():
    return flow().fit(TEXTS)


def test_texts_go_in_and_come_out(fitted):
    x = fitted.sample(7)
    assert x.shape == (7, 5)
    assert x.dtype == torch.int64
    assert fitted.config_.path.space == pf.spaces.Tokens(4, mask=True)
    assert x.max() < 4  # no mask is left
    texts = fitted.decode(x)
    assert all(len(text) == 5 and set(text) <= set(" !ab") for text in texts)
    assert torch.equal(fitted.sample(7), x)


def test_it_is_saved_with_its_tokeniser(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded = pf.Flow.load(tmp_path)
    assert torch.equal(loaded.sample(5), fitted.sample(5))
    assert loaded.decode(loaded.sample(5)) == fitted.decode(fitted.sample(5))
    assert loaded.frame_.tokeniser == fitted.frame_.tokeniser
    assert "vocab: 4" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize("solver", ["ExactJump", "Euler", "Unmask"])
def test_every_solver_of_symbols_leaves_no_mask(fitted, solver):
    assert fitted.sample(50, steps=3, solver=solver).max() < 4
    way = fitted.trajectory(3, steps=3, solver=solver)
    assert (way.xs[0] == 4).all()
    assert way.times[-1] == 1.0


def test_rows_of_numbers_need_no_tokeniser():
    rows = np.random.default_rng(0).integers(0, 6, (30, 4), dtype=np.int16)
    found = flow().fit(rows)
    assert found.config_.path.space.vocab == 1 + rows.max()
    assert found.sample(3).shape == (3, 4)
    with pytest.raises(InvalidInput, match="knows no texts"):
        found.decode(found.sample(3))


def test_texts_of_several_lengths_are_padded():
    found = flow().fit(["a", "bb", "abc"] * 5)
    assert found.frame_.tokeniser.padded
    assert found.frame_.shape == (3,)
    assert max(map(len, found.decode(found.sample(20)))) <= 3
    assert found.elbo(["a", "abc"]).shape == (2,)


def test_a_tokeniser_of_ones_own():
    found = flow(tokeniser=DNA()).fit(["ACG", "TTT"] * 5)
    assert found.config_.path.space.vocab == 4
    with pytest.raises(InvalidInput, match="DNA does not know 'N' at row 0"):
        found.elbo(["ANN"])


def test_what_is_not_said_of_the_net_is_a_transformer():
    found = flow(net=None, training={"steps": 1, "batch_size": 4, "workers": 0}).fit(TEXTS)
    assert isinstance(found.net_, pf.nets.TokenTransformer)
    assert type(found.config.usual).__name__ == "Partial"


def test_the_bound_is_exact_where_the_posterior_is():
    """Under the mask, an exact posterior makes the bound -log p; here through the estimator's own door."""
    table = torch.tensor([[0.4, 0.1, 0.0], [0.0, 0.2, 0.3], [0.0, 0.0, 0.0]])
    law = TokenLaw(table)
    found = flow().fit(torch.tensor([[0, 0], [1, 2]] * 10))
    found.field_ = NetField(law.along(found.config_.path), Logits(), found.config_.path)
    x = torch.tensor([[0, 0], [1, 2]])
    bound = found.elbo(x.repeat(400, 1), strata=16).reshape(400, 2)
    error = bound.std(0) / 20
    expected = torch.tensor([0.4, 0.3]).double().log()
    assert ((bound.mean(0) - expected).abs() < 4 * error).all()
    assert (error < 0.1).all()
    assert found.score(x.repeat(400, 1)) == pytest.approx(expected.mean().item(), abs=0.1)


def test_a_field_that_knows_nothing_costs_log_vocab_a_symbol():
    """Logits start at zero: with no step of training that counts, all symbols are alike."""
    found = flow(training={**PARTS["training"], "steps": 1, "learning_rate": 1e-12}).fit(TEXTS)
    bound = found.elbo(TEXTS * 20, strata=16)
    assert bound.mean().item() == pytest.approx(-5 * math.log(4), abs=4 * bound.std().item() / 20)


def test_guidance_is_of_logarithms(fitted):
    found = flow(objective={"type": "DiscreteFlowMatching", "cond_drop": 0.3}).fit(TEXTS, cond=[0, 1] * 10)
    labelled = SimplexClassifierFree(found.field_, 3.0, tilt=True)
    x, t, cond = torch.full((2, 5), 4), torch.full((2,), 0.2), torch.tensor([0, 1])
    strong, weak = (found.field_.law(x, t, c).log_probs for c in (cond, torch.tensor([-1, -1])))
    expected = (3 * strong - 2 * weak).softmax(-1)
    torch.testing.assert_close(labelled.law(x, t, cond).mean, expected)
    by_scale = found.sample(6, [0, 1] * 3, guidance=3.0, generator=generator_from(0, "sample"))
    by_hand = found.sample(
        6,
        [0, 1] * 3,
        guidance=lambda field: SimplexClassifierFree(field, 3.0, tilt=True),
        generator=generator_from(0, "sample"),
    )
    assert torch.equal(by_scale, by_hand)


def test_a_source_of_texts_is_carried_to_the_data():
    uniform = {"type": "Mixture", "space": {"type": "Tokens"}}
    found = flow(path=uniform, coupling="Paired").fit(["abc", "bca"] * 5, x0=["cab", "aaa"] * 5)
    assert found.frame_.source
    carried = found.transport(["cab", "aaa"])
    assert carried.shape == (2, 3)
    assert torch.equal(carried, found.transport(["cab", "aaa"]))
    with pytest.raises(Incompatible, match="no way back"):
        found.transport(["cab"], reverse=True)
    with pytest.raises(InvalidInput, match="starts from data"):
        found.elbo(["abc"])


def test_evaluation_is_of_words_and_of_the_bound(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("hello world, hello sea. " * 80)
    found = flow(sampling={"steps": 4}).fit(TextFile(str(file), length=12).load())
    metrics = evaluate(found, pf.config.Evaluation(samples=8)).metrics
    for name in ("symbol", "bigram", "trigram"):
        assert 0 <= metrics[f"{name}_distance_floor"] < metrics[f"{name}_distance"] <= 1
    assert 0 < metrics["nats_per_symbol"] < 2 * math.log(found.frame_.vocab)
    assert metrics["nats_per_symbol_error"] > 0
    assert metrics.keys().isdisjoint({"wasserstein", "frechet"})


def test_a_run_goes_on_to_the_same_bits(tmp_path):
    """Cut after four steps and resumed, or run through: one model. The kill itself is tested on the command line."""
    file = tmp_path / "text.txt"
    file.write_text("abcd efgh. " * 40)
    data = TextFile(str(file), length=8).load()
    settings = {**PARTS["training"], "steps": 8, "checkpoint_every": 4, "warmup": 1, "ema": 0.9, "sample_every": None}

    whole = flow(training=settings).fit(data)

    class Cut(Exception):
        pass

    def stop(flow, step):
        if step >= 6:
            raise Cut

    with pytest.raises(Cut):
        flow(training={**settings, "sample_every": 3}).fit(data, folder=tmp_path / "run", on_sample=stop)
    resumed = flow(training=settings).fit(data, folder=tmp_path / "run", resume=True)
    for name, weight in whole.net_.state_dict().items():
        assert torch.equal(weight, resumed.net_.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "FlowMatching"}, "Velocity tells no way from noise to symbols.*Logits"),
        ({"objective": "MeanFlow"}, "only flat space allows"),
        ({"objective": {"type": "FlowMatching", "head": "Endpoint"}}, "not of the symbols.*Logits"),
        ({"objective": {"type": "Joint", "coupling": "CARFlow", "objective": "DiscreteFlowMatching"}}, "tells no way"),
        ({"path": {"type": "Affine", "space": {"type": "Tokens", "vocab": 3}}}, "Affine adds points"),
        ({"path": "Affine", "objective": "FlowMatching"}, "TokenTransformer reads symbols"),
        ({"net": "ResidualMLP"}, "ResidualMLP reads numbers.*TokenTransformer"),
        ({"coupling": "ExactOT"}, "all noise is mask.*Independent"),
        ({"path": {"type": "Mixture", "space": "Tokens"}, "coupling": "ExactOT"}, "SquaredEuclidean computes with"),
        (
            {
                "path": {"type": "Mixture", "space": "Tokens"},
                "coupling": {"type": "Barycentric", "cost": "Hamming"},
            },
            "Barycentric computes with numbers",
        ),
        ({"sampling": {"solver": "Heun"}}, "Heun adds motions"),
        ({"sampling": {"solver": "EulerMaruyama"}}, "needs an affine path"),
        ({"sampling": {"solver": "Jump"}}, "Jump follows a learned flow map"),
        ({"sampling": {"guidance": {"type": "CFGZeroStar", "scale": 2.0}}}, "steers velocities"),
        (
            {"path": {"type": "Mixture", "space": "Tokens"}, "sampling": {"solver": "Unmask"}},
            "Unmask reveals masks",
        ),
    ],
    ids=range(15),
)
def test_what_makes_no_sense_is_refused_when_it_is_put_together(changes, message):
    with pytest.raises(Incompatible, match=message):
        flow(**changes)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda: flow().fit(torch.rand(9, 4)), "expected whole numbers"),
        (lambda: flow().fit(torch.tensor([[0, -1]] * 9)), "symbol -1 at row 0, index 1 "),
        (lambda: flow(path=_sized(3)).fit(torch.tensor([[0, 3]] * 9)), "symbol 3 at row 0, index 1 .*0 to 2"),
        (lambda: flow(path=_sized(3)).fit(["abcd"] * 9), "have 4 symbols, and .* has room for 3"),
        (lambda: flow(transform=pf.data.Identity()).fit(["abc"] * 9), "have no units"),
        (lambda: flow().fit(Dataset(Arrays(torch.zeros(9, 3).long()))), "do not say how many symbols"),
        (lambda: flow().fit(Dataset(Arrays(torch.zeros(9, 3)))), "no whole numbers"),
        (lambda: pf.Flow().fit(["abc"] * 9), "x1 are texts, and states move on Euclidean"),
        (lambda: pf.Flow().fit(Dataset(Arrays(torch.zeros(9, 3).long()), vocab=2)), "data are symbols 0 to 1"),
    ],
    ids=range(9),
)
def test_one_sentence_for_data_that_are_no_symbols_of_the_space(fit, message):
    with pytest.raises((InvalidInput, Incompatible), match=message):
        fit()


def _sized(vocab):
    return {"type": "Mixture", "space": {"type": "Tokens", "vocab": vocab, "mask": True}}


def test_what_is_not_known_of_symbols_is_refused(fitted):
    with pytest.raises(Incompatible, match=r"use elbo\(x\)"):
        fitted.log_prob(TEXTS)
    with pytest.raises(Incompatible, match="no way back"):
        fitted.transport(fitted.sample(2), reverse=True)
    with pytest.raises(InvalidInput, match=r"use log_prob\(x\)"):
        pf.Flow(training={"steps": 1}, net="MLP").fit(torch.randn(20, 2)).elbo(torch.randn(3, 2))


def test_the_number_of_symbols_is_written_once_it_is_known(fitted):
    left = parse(PARTS)
    assert "vocab" not in left.resolved()["path"]["space"]
    assert parse(left.resolved()).symbols_of_data
    assert fitted.config_.resolved()["path"]["space"]["vocab"] == 4
    assert left.resolved()["sampling"]["solver"] == {"type": "ExactJump"}


def test_a_corrected_solver_is_written_without_its_path():
    spec = {**PARTS, "sampling": {"solver": {"type": "Corrected", "solver": "ExactJump", "strength": 2.0}}}
    written = parse(spec).resolved()
    assert written["sampling"]["solver"] == {
        "type": "Corrected",
        "strength": 2.0,
        "times": 1,
        "solver": {"type": "ExactJump"},
    }
    assert parse(written).resolved() == written
