"""The page: well formed, self-contained, complete, and honest about what is missing."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from pushforward.core import InvalidInput
from pushforward.report import report
from pushforward.report.markup import Markup, highlight, tag
from pushforward.report.scores import meaning, number, scores

VOID = {"img", "meta"}


class Page(HTMLParser):
    """Fails on tags that do not nest; keeps tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, name):
        return [attributes for found, attributes in self.tags if found == name]


def _page(run):
    return Page(report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(make_run, points):
    folder = make_run(samples=points)
    report(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return Page((run / "report.html").read_text(encoding="utf-8"))


class TestWhole:
    def test_every_picture_is_inside(self, page):
        pictures = page.all("img")
        assert len(pictures) == 3
        for picture in pictures:
            kind, content = picture["src"].split(",")
            assert kind == "data:image/png;base64"
            assert base64.b64decode(content, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
            assert len(picture["alt"]) > 20
            assert int(picture["width"]) > 500

    def test_nothing_is_loaded_and_nothing_runs(self, run, page):
        text = (run / "report.html").read_text(encoding="utf-8")
        assert not {"script", "link", "iframe", "object", "embed", "video", "audio"} & {name for name, _ in page.tags}
        for _, attributes in page.tags:
            assert attributes.get("src", "data:").startswith("data:")
            assert "href" not in attributes
            assert not any(key.startswith("on") for key in attributes)
        assert "://" not in re.sub(r"base64,[^\"]*", "", text)
        assert not re.search(r"url\(|@import", text)
        policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
        assert "default-src 'none'" in policy

    def test_every_figure_of_merit_is_told_with_its_meaning(self, page):
        for words in ("0.3", "0.2", "1.5", "0.95", "0.0123", "Heun", "wasserstein", "class_accuracy", "curvature"):
            assert words in page.text
        for name in ("wasserstein", "class_accuracy", "curvature"):
            assert meaning(name).title in page.text
            assert meaning(name).text in page.text
        assert "higher" in page.text

    def test_it_says_what_was_run_and_how_to_run_it_again(self, page):
        for words in (
            "moons",
            "0.1.0",
            "ExactOT",
            "Affine",
            "FlowMatching",
            "MLP",
            "Heun · 20 steps",
            "batch_size : 32",
        ):
            assert words in page.text
        assert "pushforward train run/config.yaml --out run-again" in page.text
        assert "Steps 100" in page.text
        assert "Last loss 0.01" in page.text

    def test_readers_of_all_kinds(self, page):
        assert page.all("html") == [{"lang": "en"}]
        assert any(a.get("name") == "viewport" for a in page.all("meta"))
        assert {a["scope"] for a in page.all("th")} == {"col", "row"}
        assert len(page.all("h1")) == 1
        headings = {a["id"] for a in page.all("h2")}
        assert {a["aria-labelledby"] for a in page.all("section")} == headings
        assert all(a["aria-label"] for a in page.all("div") if a.get("role") == "region")

    def test_same_folder_same_bytes(self, run):
        first = (run / "report.html").read_bytes()
        shutil.rmtree(run / "figures")
        assert report(run).read_bytes() == first


class TestMissing:
    def test_a_bare_run_says_what_to_do(self, make_run):
        page = _page(make_run("a run", config={"seed": 0}, history=False, metrics=None))
        assert page.all("img") == []
        assert "pushforward evaluate 'a run'" in page.text
        assert "pushforward sample 'a run' -o 'a run/samples.npz'" in page.text
        assert "No training was written down" in page.text
        assert "a run" in page.text  # the folder names a run without a recipe

    def test_samples_that_are_not_finite_are_told(self, make_run, rng):
        x = rng.standard_normal((50, 2))
        x[3, 1], x[7] = np.inf, np.nan
        assert (
            "2 of 50 generated rows hold values that are not finite."
            in _page(make_run(history=False, samples={"x": x})).text
        )
        assert "not finite" not in _page(make_run(history=False, samples={"x": np.zeros((5, 2))})).text

    def test_a_run_that_failed_still_has_a_page(self, make_run):
        run = make_run(history=False, metrics={"wasserstein": float("nan"), "wasserstein_floor": 0.0})
        (run / "metrics.jsonl").write_text('{"step": 1, "loss": Infinity}\n')
        page = _page(run)
        assert "nan" in page.text
        assert "inf" in page.text


class TestHostile:
    def test_what_users_write_is_text(self, make_run):
        bad = "<script>alert(1)</script>&\"'"
        config = {"recipe": bad, "version": bad, "data": {"type": bad}, bad: {bad: [bad]}}
        page = _page(make_run("a'<b>", config=config, history=False, metrics={bad: 1.0, "note": bad}))
        assert page.all("script") == []
        assert page.text.count("<script>alert(1)</script>&") >= 6
        assert "'a'\"'\"'<b>'" in page.text  # quoted for the shell

    def test_markup_is_escaped_once(self):
        assert tag("p", "<", Markup("<b>x</b>"), title='"') == '<p title="&quot;">&lt;<b>x</b></p>'

    def test_highlighting_loses_nothing(self):
        text = "# why\nkey: 1.5\nlist:\n- 3\n- type: A\n  'a: b': <c>\nurl: a#b\n"
        page = Page(highlight(text))
        assert "".join(page.words) == text.rstrip("\n")
        assert [w for (n, a), w in zip(page.tags[1:], page.words, strict=False) if a.get("class") == "comment"] == [
            "# why"
        ]


class TestBroken:
    @pytest.mark.parametrize(
        ("file", "content", "message"),
        [
            ("config.yaml", "a: [", r"config\.yaml cannot be read"),
            ("config.yaml", "just words", "holds no mapping of keys"),
            ("metrics.json", "{", r"metrics\.json cannot be read"),
            ("metrics.json", "[]", "no mapping of names"),
            ("metrics.jsonl", 'no\n{"step": 1}\n', "line 1 is no JSON object"),
            ("metrics.jsonl", '{"loss": 1}\n{"step": 1}\n', "line 1 has no step"),
            ("model.safetensors", "words", r"model\.safetensors cannot be read"),
            ("samples.npz", "words", r"samples\.npz cannot be read"),
        ],
    )
    def test_a_broken_file_is_one_sentence(self, make_run, file, content, message):
        run = make_run()
        (run / file).write_text(content)
        with pytest.raises(InvalidInput, match=message) as caught:
            report(run)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"y": np.zeros(3)}, "holds y, expected an array x"),
            ({"x": np.zeros((0, 2))}, r"x has shape \[0, 2\]"),
            ({"x": np.array(["a", "b"])}, "x is <U1, expected numbers"),
            ({"x": np.array([None, "b"])}, "cannot be read"),  # would have to be unpickled
            ({"x": np.zeros((4, 2)), "real": np.zeros((4, 3))}, r"real has shape \[4, 3\], x \[4, 2\]"),
        ],
    )
    def test_wrong_samples(self, make_run, arrays, message):
        with pytest.raises(InvalidInput, match=message):
            report(make_run(samples=arrays))

    def test_half_a_line_at_the_end_is_what_a_killed_run_leaves(self, make_run):
        run = make_run()
        with (run / "metrics.jsonl").open("a") as file:
            file.write('{"step": 101, "lo')
        assert "Steps 100" in _page(run).text

    def test_no_run(self, make_run, tmp_path):
        with pytest.raises(InvalidInput, match="there is no run folder"):
            report(tmp_path / "nowhere")
        with pytest.raises(InvalidInput, match=r"has no config\.yaml"):
            report(make_run(config=None))

    def test_no_place_for_the_page(self, make_run):
        run = make_run()
        (run / "report.html").mkdir()
        with pytest.raises(InvalidInput, match=r"cannot write .*report\.html"):
            report(run)


class TestScores:
    def test_a_floor_belongs_to_its_metric(self):
        found = scores({"a_floor": 0.5, "a": 1.0, "lonely_floor": 2.0, "flag": True, "text": "x"})
        assert [(s.name, s.value, s.floor, s.ratio) for s in found] == [
            ("a", 1.0, 0.5, 2.0),
            ("lonely_floor", 2.0, None, None),
        ]

    @pytest.mark.parametrize(("value", "floor"), [(1.0, 0.0), (-1.0, 0.5), (1.0, -0.5)])
    def test_a_ratio_that_says_nothing_is_not_told(self, value, floor):
        assert scores({"mmd": value, "mmd_floor": floor})[0].ratio is None

    @pytest.mark.parametrize(
        ("value", "text"), [(0.000012345, "1.234e-05"), (3.0, "3"), (-0.5, "-0.5"), (np.inf, "inf")]
    )
    def test_numbers(self, value, text):
        assert number(value) == text

    def test_every_metric_of_the_library_has_a_meaning(self):
        from pushforward import metrics

        plain = set(metrics.__all__) & set(dir(metrics)) - {
            "with_floor",
            "precision_recall_coverage",
            "canonical_smiles",
        }
        names = {name for name in plain if name.islower()} | set(metrics.PrecisionRecallCoverage._fields) | {"nll"}
        assert [name for name in sorted(names) if not meaning(name).text] == []


def test_metrics_are_those_of_the_file(make_run):
    run = make_run(history=False, metrics={"frechet": 2.5, "frechet_floor": 1.25})
    assert json.loads((run / "metrics.json").read_text())["frechet"] == 2.5
    assert "ratio 2" in _page(run).text


def test_the_tiles_begin_with_what_a_reader_asks_first(make_run):
    names = ("energy_distance", "mmd", "wasserstein", "precision", "recall", "frechet", "copies", "class_accuracy")
    page = _page(make_run(history=False, metrics={n: 0.5 for name in names for n in (name, f"{name}_floor")}))
    order = [meaning(name).title for name in ("class_accuracy", "wasserstein", "copies", "frechet")]
    assert (
        page.text.split("Metric Value")[0].split("Quality")[1].split()
        == " ".join(f"{title} 0.5 floor 0.5 · ratio 1" for title in order).split()
    )


def test_a_damaged_header_of_the_model_is_one_sentence(make_run):
    for frame in ({"columns": 3}, [], "words"):
        with pytest.raises(InvalidInput, match=r"model\.safetensors has a damaged header"):
            report(make_run(history=False, frame=frame))
