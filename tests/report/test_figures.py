"""Laws that every picture keeps, and the choice of pictures for a run."""

from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pushforward import report
from pushforward.core import InvalidInput
from pushforward.report import (
    compare_bars,
    losses,
    marginals,
    pairs,
    png,
    sample_grid,
    save_figures,
    scatter,
    style,
    trajectories,
)
from pushforward.report.figures import draw
from pushforward.report.run import load_run
from pushforward.report.scores import Score

_RNG = np.random.default_rng(0)
_LABELS = _RNG.integers(0, 3, 40)
_TIMES = np.linspace(0, 1, 4)


def _n(*shape):
    return _RNG.standard_normal(shape)


# each: the function, its arrays, and the number of axes its figure must have
CATALOGUE = {
    "images": (sample_grid, (_n(40, 8, 8), _LABELS, _n(40, 8, 8), _LABELS), 2),
    "images alone": (sample_grid, (_n(5, 3, 16, 12),), 1),
    "large images": (sample_grid, (_n(3, 300, 300), None, _n(3, 300, 300)), 2),
    "long labels": (sample_grid, (_n(40, 8, 8), _LABELS + 1_000_000), 1),
    "points": (scatter, (_n(40, 2), _n(30, 2), _n(40, 2), _LABELS, _LABELS[:30]), 3),
    "points alone": (scatter, (_n(40, 2),), 1),
    "flat points": (scatter, (_n(40, 2) * [1e6, 1], _n(30, 2)), 2),
    "tall points": (scatter, (_n(40, 2) * [1, 1e3], _n(30, 2), _n(9, 2), _LABELS), 3),
    "lines": (trajectories, (_n(4, 9, 2), _TIMES), 2),
    "numbers": (trajectories, (_n(4, 9, 1), _TIMES), 2),
    "strip": (trajectories, (_n(4, 9, 1, 8, 8), _TIMES), 1),
    "columns": (marginals, (_n(40, 6), _n(30, 6)), 6),
    "many columns": (marginals, (_n(40, 30), _n(30, 30)), 12),
    "one column": (marginals, (_n(40),), 1),
    "pairs": (pairs, (_n(40, 6) * 1e5, _n(30, 6)), 16),
    "pairs alone": (pairs, (_n(40, 2),), 3),
}


@cache
def _rendered(name):
    function, arrays, _ = CATALOGUE[name]
    figure = function(*arrays)
    return figure, png(figure)


@pytest.mark.parametrize("name", CATALOGUE)
class TestLaws:
    def test_it_has_its_axes(self, name):
        assert len(_rendered(name)[0].axes) == CATALOGUE[name][2]

    def test_same_input_same_bytes_whatever_the_users_settings(self, name):
        function, arrays, _ = CATALOGUE[name]
        _, first = _rendered(name)
        assert first.startswith(b"\x89PNG\r\n\x1a\n")
        assert b"Software" not in first
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 30, "image.cmap": "hot"}):
            before = dict(mpl.rcParams)
            tensors = (a if a is None else torch.from_numpy(a) for a in arrays)
            assert png(function(*tensors)) == first
            assert dict(mpl.rcParams) == before

    def test_nothing_is_drawn_outside_the_picture(self, name):
        figure, _ = _rendered(name)
        box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
        width, height = figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01

    def test_values_that_are_not_finite_do_not_stop_it(self, name):
        function, (x, *rest), axes = CATALOGUE[name]
        x = x.copy()
        x.reshape(-1)[:5] = [np.nan, np.inf, -np.inf, np.nan, np.inf]
        with np.errstate(all="raise"):
            assert len(function(x, *rest).axes) == axes
            assert len(function(np.full_like(x, np.nan), *rest).axes) == axes


def test_pyplot_whose_state_is_global_is_never_used():
    sources = Path(report.__file__).parent.glob("*.py")
    assert [path.name for path in sources if "pyplot" in path.read_text(encoding="utf-8")] == []


def test_style_restores_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(KeyError), style():
        raise KeyError
    assert dict(mpl.rcParams) == before


def _names(run):
    return [name for name, _ in draw(load_run(run))]


class TestSaving:
    def test_points(self, make_run, points):
        run = make_run(samples=points)
        paths = save_figures(run)
        assert [p.name for p in paths] == ["samples.png", "trajectories.png", "losses.png"]
        assert sorted(p.name for p in (run / "figures").iterdir()) == sorted(p.name for p in paths)  # no leftovers
        assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)

    @pytest.mark.parametrize(
        ("event", "names"),
        [
            ((1, 8, 8), ["samples", "trajectories"]),
            ((8, 8), ["samples", "trajectories"]),
            ((1,), ["marginals", "trajectories"]),
            ((), ["marginals", "trajectories"]),
            ((6,), ["marginals", "pairs"]),
            ((3, 3), ["marginals", "pairs"]),  # rotations are no pictures
            ((5, 3), ["marginals", "pairs"]),
        ],
    )
    def test_the_shape_of_the_samples_decides(self, make_run, rng, event, names):
        arrays = {"x": rng.standard_normal((9, *event)), "times": np.linspace(0, 1, 3)}
        arrays["trajectory"] = rng.standard_normal((3, 4, *event))
        assert _names(make_run(history=False, samples=arrays)) == names

    def test_flat_images_are_known_by_their_configuration(self, make_run, rng):
        for flat, size, names in (
            (True, 64, ["samples"]),
            (True, 3 * 64, ["samples"]),
            (True, 63, ["marginals", "pairs"]),  # no square
            (False, 64, ["marginals", "pairs"]),
        ):
            config = {"data": {"type": "Digits", "flat": flat}}
            samples = {"x": rng.standard_normal((9, size))}
            assert _names(make_run(config=config, history=False, samples=samples)) == names

    def test_columns_and_classes_are_called_what_the_model_says(self, make_run, rng):
        def drawn(frame, **samples):
            run = make_run(history=False, samples=samples, frame=frame)
            return {name: figure for name, figure in draw(load_run(run)) if name != "losses"}

        table = drawn({"columns": ["mass", "charge", "spin"], "class_names": None}, x=rng.standard_normal((9, 3)))
        for figure in table.values():
            assert {"mass", "charge", "spin"} <= {axes.get_title(loc="left") for axes in figure.axes}
        other = drawn({"columns": ["mass", "charge"]}, x=rng.standard_normal((9, 3)))  # of another data set
        assert other["marginals"].axes[0].get_title(loc="left") == "column 1"

        named, cond = {"class_names": ["cat", "a dog of a very long name"]}, np.arange(9) % 2
        grid = drawn(named, x=rng.random((9, 8, 8)), cond=cond)["samples"]
        assert [label.get_text() for label in grid.axes[0].get_yticklabels()] == ["cat", "a dog of a ve…"]
        plane = drawn(named, x=rng.standard_normal((9, 2)), cond=cond)["samples"]
        assert [text.get_text() for text in plane.legends[0].get_texts()] == ["cat", "a dog of a ve…"]

    def test_a_bare_run_has_no_pictures(self, make_run):
        run = make_run(history=False, metrics=None)
        assert save_figures(run) == []
        assert not (run / "figures").exists()

    def test_a_run_that_diverged_at_once_has_no_loss_curve(self, make_run):
        run = make_run(history=False)
        (run / "metrics.jsonl").write_text('{"step": 1, "loss": NaN}\n')
        assert save_figures(run) == []

    def test_where_it_cannot_write_it_says_so(self, make_run, points):
        run = make_run(samples=points)
        (run / "figures").write_text("in the way")
        with pytest.raises(InvalidInput, match=r"cannot write .*samples\.png"):
            save_figures(run)


class TestLosses:
    def test_panels_follow_what_was_written(self):
        assert len(losses([{"step": 1, "loss": 0.5}]).axes) == 1
        assert len(losses([{"step": k, "loss": 0.5, "learning_rate": 1e-3} for k in range(3)]).axes) == 2

    def test_lines_hold_the_numbers(self):
        history = [{"step": k, "loss": float(k % 2 + 1)} for k in range(100)]
        history[10] |= {"validation_loss": 1.25}
        history[11]["loss"] = float("nan")
        raw, smoothed, held = losses(history).axes[0].lines
        assert 11 not in raw.get_xdata()
        assert np.ptp(smoothed.get_ydata()) < np.ptp(raw.get_ydata())
        assert held.get_xydata().tolist() == [[10, 1.25]]

    @pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.01, "log"), (-0.5, "linear")])
    def test_a_loss_that_falls_tenfold_is_logarithmic(self, last, scale):
        assert losses([{"step": 0, "loss": 1.0}, {"step": 1, "loss": last}]).axes[0].get_yscale() == scale

    def test_nothing_to_draw(self):
        with pytest.raises(InvalidInput, match="finite loss"):
            losses([{"step": 1, "loss": float("nan")}, {"step": 2}])


class TestScatter:
    def test_all_panels_show_all_points_on_the_same_axes(self):
        panels = scatter(_n(50, 2), _n(50, 2) + 5, _n(50, 2) * 3).axes
        assert [a.get_title(loc="left") for a in panels] == ["Source", "Generated", "Real, held out"]
        for a in panels:
            assert (a.get_xlim(), a.get_ylim()) == (panels[0].get_xlim(), panels[0].get_ylim())
            assert a.get_aspect() == 1.0
            offsets = a.collections[0].get_offsets()
            assert len(offsets) == 50
            inside = (offsets >= [a.get_xlim()[0], a.get_ylim()[0]]) & (offsets <= [a.get_xlim()[1], a.get_ylim()[1]])
            assert inside.all()

    def test_classes_have_one_colour_in_both_panels_and_null_has_the_panels(self):
        cond, real_cond = np.array([0, 1, 1, -1]), np.array([1, 0, -1])
        a, b = (
            axes.collections[0].get_facecolors()[:, :3]
            for axes in scatter(_n(4, 2), _n(3, 2), None, cond, real_cond).axes
        )
        assert (a[1] == a[2]).all()
        assert (a[0] == b[1]).all()
        assert (a[1] == b[0]).all()
        assert len(np.unique(np.concatenate([a, b]), axis=0)) == 4

    def test_a_vector_is_no_class(self):
        assert scatter(_n(4, 2), cond=_n(4, 3)).legends == []

    def test_wrong_shapes(self):
        with pytest.raises(InvalidInput, match=r"rows of 3 values, expected \[N, 2\]"):
            scatter(_n(4, 3))
        with pytest.raises(InvalidInput, match="at least one row"):
            scatter(_n(0, 2))
        with pytest.raises(InvalidInput, match="one entry for each of 4 rows"):
            scatter(_n(4, 2), cond=np.zeros(3, dtype=int))


class TestMarginals:
    def test_areas_are_one_and_bins_are_common(self):
        real, generated = (patch.get_data() for patch in marginals(_n(100, 1), _n(50, 1) + 2).axes[0].patches)
        assert np.array_equal(real.edges, generated.edges)
        for d in (real, generated):
            assert (d.values * np.diff(d.edges)).sum() == pytest.approx(1.0)

    def test_small_integers_have_a_bin_each(self):
        x = np.array([[0], [0], [2], [3]])
        values, edges, _ = marginals(x).axes[0].patches[0].get_data()
        assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
        assert values.tolist() == [0.5, 0.0, 0.25, 0.25]

    def test_a_constant_column_is_drawn(self):
        low, high = marginals(np.full((9, 2), 0.3), np.full((9, 2), 0.3)).axes[0].get_xlim()
        assert low < 0.3 < high

    def test_columns_are_named_and_a_cut_is_told(self):
        assert marginals(_n(9, 2), columns=["mass", "charge"]).axes[1].get_title(loc="left") == "charge"
        assert marginals(_n(9, 30)).get_supxlabel() == "the first 12 of 30 columns"
        assert pairs(_n(9, 6)).get_supxlabel() == "the first 4 of 6 columns"
        assert pairs(_n(9, 4)).get_supxlabel() == ""

    def test_pairs_mirror(self):
        x, real = _n(30, 3), _n(20, 3)
        grid = {(a.get_subplotspec().rowspan.start, a.get_subplotspec().colspan.start): a for a in pairs(x, real).axes}
        assert np.allclose(grid[2, 0].collections[0].get_offsets(), x[:, [0, 2]])
        assert np.allclose(grid[0, 2].collections[0].get_offsets(), real[:, [2, 0]])
        assert grid[2, 0].get_xlim() == grid[0, 0].get_xlim() == grid[0, 2].get_ylim()

    def test_wrong_shapes(self):
        with pytest.raises(InvalidInput, match=r"real has rows of 3 values, expected \[N, 2\]"):
            marginals(_n(9, 2), _n(9, 3))
        with pytest.raises(InvalidInput, match="3 column names for 2 columns"):
            marginals(_n(9, 2), columns=["a", "b", "c"])
        with pytest.raises(InvalidInput, match="one column"):
            pairs(_n(9, 1))


class TestCompareBars:
    def test_bars_and_floors(self):
        figure = compare_bars({"a": [Score("mmd", 0.2, 0.1), Score("copies", 0.0)], "b": [Score("mmd", np.nan, 0.1)]})
        mmd, copies = figure.axes
        assert [bar.get_width() for bar in mmd.patches] == [0.2]  # a value that is not finite has no bar
        assert len(mmd.collections[0].get_segments()) == 1
        assert [t.get_text() for t in mmd.get_yticklabels()] == ["a", "b"]
        assert mmd.get_title(loc="right") == "lower is better"
        assert len(copies.patches) == 1

    def test_a_number_is_that_of_its_bar_and_never_beside_the_mark_of_the_floor(self):
        figure = compare_bars({"a": [Score("mmd", 0.1, 0.4)], "b": [Score("mmd", 0.2, 0.1)]})
        axes = figure.axes[0]
        assert [(t.get_text(), t.xy) for t in axes.texts] == [("0.1", (1.0, 0)), ("0.2", (1.0, 1))]
        assert all(t.xycoords == axes.get_yaxis_transform() for t in axes.texts)  # 1 is the right edge
        assert axes.get_xlim()[1] > 0.4

    def test_axes_of_what_cannot_be_negative_begin_at_zero(self):
        zero, negative = compare_bars({"a": [Score("copies", 0.0, 0.0), Score("nll", -1.0)]}).axes
        assert zero.get_xlim() == (0, 1)
        assert negative.get_xlim()[0] < -1.0

    def test_three_metrics_leave_no_empty_panel(self):
        assert len(compare_bars({"a": [Score(n, 1.0) for n in "xyz"]}).axes) == 3

    def test_no_scores(self):
        with pytest.raises(InvalidInput, match="run pushforward evaluate"):
            compare_bars({"a": []})
