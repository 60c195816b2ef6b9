import math

import pytest

from pushforward.bench import published
from pushforward.bench.published import Published

TABLES = {name: value for name, value in vars(published).items() if name.isupper() and not name.startswith("_")}


def test_there_are_tables():
    assert TABLES


@pytest.mark.parametrize("figure", [p for table in TABLES.values() for p in table], ids=Published.label)
def test_every_figure_says_where_it_stands(figure):
    assert figure.link.startswith("https://arxiv.org/abs/")
    assert figure.where
    assert figure.where in figure.label()
    if figure.runs == 1:
        assert math.isnan(figure.spread)
    elif not math.isnan(figure.spread):
        assert figure.value > figure.spread > 0
