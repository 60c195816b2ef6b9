"""Texts on the page: escaped, labelled, and shown on their way."""

import numpy as np
import pytest

from pushforward.core import InvalidInput
from pushforward.data import Characters, describe_tokeniser
from pushforward.report import report
from pushforward.report.run import load_run
from pushforward.report.texts import read_by, texts

LETTERS = Characters("<a>&\n", padded=True)
FRAME = {"shape": [4], "vocab": 6, "tokeniser": describe_tokeniser(LETTERS), "class_names": ["good", "bad"]}
SAMPLES = {
    "x": LETTERS.encode(["<a>", "&&&&"], 4).numpy(),
    "cond": np.array([0, 1]),
    "real": LETTERS.encode(["aaaa"], 4).numpy(),
    "trajectory": np.array([[[6, 6, 6, 6]], [[0, 6, 4, 6]], [[0, 1, 4, 5]]]),
    "times": np.array([0.0, 0.5, 1.0]),
}


def test_samples_real_rows_and_the_way(make_run):
    run = make_run(samples=SAMPLES, frame=FRAME)
    page = report(run).read_text()
    assert "good  &lt;a&gt;\nbad   &amp;&amp;&amp;&amp;" in page
    assert "aaaa" in page
    assert "t = 0.00  ····\nt = 0.50  &lt;·⏎·\nt = 1.00  &lt;a⏎" in page
    assert not list((run / "figures").glob("samples.png"))


def test_numbers_stay_numbers_where_nobody_knows_the_symbols(make_run):
    run = load_run(make_run(samples=SAMPLES, frame={"shape": [4], "vocab": 6}))
    assert run.symbols
    assert "0 1 2 5" in texts(run)[0]
    unknown = load_run(make_run(frame={**FRAME, "tokeniser": {"type": "Runes"}}))
    assert read_by(unknown) is None


def test_a_header_that_is_damaged_is_told(make_run):
    run = load_run(make_run(samples=SAMPLES, frame={**FRAME, "tokeniser": {"type": "DNA", "letters": 4}}))
    with pytest.raises(InvalidInput, match="damaged header"):
        texts(run)
