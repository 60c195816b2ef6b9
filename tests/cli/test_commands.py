"""Every command does what it says, on tiny runs: what is printed, and what is in the files."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from PIL import Image

from pushforward.bench import SUITES, Budgets, Result
from pushforward.config import METHODS, parse, read_yaml, write_yaml
from pushforward.recipes import names

FOLDER = {
    "config.yaml",
    "model.safetensors",
    "checkpoint",
    "metrics.jsonl",
    "metrics.json",
    "events",
    "samples.npz",
    "figures",
    "report.html",
}


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def judged(shell, runs, tmp_path_factory):
    """A folder with both runs, evaluated and reported, and what was said of the labelled one."""
    place = tmp_path_factory.mktemp("judged")
    said = {}
    for run in ("run", "labelled"):
        shutil.copytree(runs / run, place / run)
        for command in ("evaluate", "report"):
            said[command] = shell(f"{command} {run}", place)
            assert said[command].code == 0, said[command]
            assert said[command].err == ""
    return place, said


class TestRunFolder:
    def test_it_holds_what_is_promised_and_nothing_else(self, judged):
        place, _ = judged
        for run in ("run", "labelled"):
            assert {path.name for path in (place / run).iterdir()} == FOLDER
            assert {path.suffix for path in (place / run / "figures").iterdir()} == {".png"}
            steps = {path.name for path in (place / run / "checkpoint").iterdir()}
            assert steps == {f"step-{k:08d}.{kind}" for k in (10, 20) for kind in ("json", "safetensors")}

    def test_training_alone_leaves_all_but_the_judgement(self, runs):
        assert {path.name for path in (runs / "run").iterdir()} == FOLDER - {"metrics.json", "figures", "report.html"}

    def test_the_configuration_is_whole_and_runs_again(self, judged, shell, contents, tmp_path):
        spec = read_yaml(judged[0] / "run" / "config.yaml")
        assert yaml.safe_load(write_yaml({**parse(spec).resolved(), "version": spec["version"]})) == spec
        said = shell(f"train {judged[0] / 'run' / 'config.yaml'} --out again", tmp_path)
        assert said.code == 0, said
        first, again = contents(judged[0] / "run"), contents(tmp_path / "again")
        assert first["model.safetensors"] == again["model.safetensors"]
        assert first["config.yaml"] == again["config.yaml"]

    def test_every_step_has_its_line(self, judged):
        found = lines_of(judged[0] / "run" / "metrics.jsonl")
        assert [line["step"] for line in found] == list(range(1, 21))
        assert {"loss", "learning_rate", "seconds"} <= found[0].keys()

    def test_samples_are_plain_numbers(self, judged):
        with np.load(judged[0] / "labelled" / "samples.npz", allow_pickle=False) as found:
            assert {"x", "cond", "real", "real_cond", "trajectory", "times", "source"} == set(found.files)
            assert found["x"].shape == (60, 2)
            assert found["trajectory"].shape[1:] == found["source"].shape
            assert all(np.isfinite(found[name]).all() for name in found.files)

    def test_pictures_on_the_way(self, shell, tmp_path):
        said = shell(f"train moons --out run {shell.tiny} --set training.sample_every=10", tmp_path)
        assert said.code == 0, said
        drawn = sorted(path.name for path in (tmp_path / "run" / "figures").iterdir())
        assert drawn == ["step-00000010.png", "step-00000020.png"]


class TestTrain:
    def test_it_says_where_and_what_next(self, shell, tmp_path):
        said = shell(f"train moons --out 'a run' {shell.tiny}", tmp_path)
        assert said.code == 0
        for words in ("training into a run", "pushforward evaluate 'a run'", "pushforward report 'a run'"):
            assert words in said.out

    def test_a_longer_run_resumes_where_the_shorter_ended(self, shell, runs, contents, tmp_path):
        shutil.copytree(runs / "run", tmp_path / "run")
        said = shell("train --resume run --set training.steps=25", tmp_path)
        assert said.code == 0, said
        assert [line["step"] for line in lines_of(tmp_path / "run" / "metrics.jsonl")] == list(range(1, 26))
        assert contents(tmp_path / "run")["model.safetensors"] != contents(runs / "run")["model.safetensors"]

    def test_ctrl_c_ends_with_130_after_a_checkpoint(self, shell, tmp_path):
        steps = "--set training.steps=1000000 --set training.checkpoint_every=1000000"
        words = ["train", "moons", "--out", "run", *shell.tiny.split(), *steps.split()]
        process = subprocess.Popen(
            [sys.executable, "-m", "pushforward", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            written = tmp_path / "run" / "metrics.jsonl"
            while not (written.exists() and written.stat().st_size):
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        assert process.returncode == 130
        assert "go on with: pushforward train --resume run" in out
        assert "Traceback" not in err
        step = lines_of(written)[-1]["step"]
        assert (tmp_path / "run" / "checkpoint" / f"step-{step:08d}.json").exists()
        assert f"stopped; step {step} is kept" in out

    @pytest.mark.story
    def test_two_processes_speak_once(self, shell, tmp_path):
        said = shell(f"train moons --out run --devices 2 {shell.tiny}", tmp_path, real=True)
        assert said.code == 0, said
        assert said.out.count("training into run") == said.out.count("wrote run/model.safetensors") == 1
        assert (tmp_path / "run" / "samples.npz").exists()

    def test_only_the_first_process_of_a_machine_says_why_it_failed(self, shell, tmp_path):
        for rank, lines in (("0", 1), ("1", 0)):
            said = shell("train mons", tmp_path, environment={"LOCAL_RANK": rank, "RANK": rank})
            assert said.code == 2
            assert len(said.err.splitlines()) == lines


class TestSample:
    @pytest.fixture(scope="class")
    @classmethod
    def drawn(cls, shell, runs, tmp_path_factory):
        place = tmp_path_factory.mktemp("drawn")
        for kind in ("npz", "npy", "csv", "png"):
            said = shell(f"sample {runs / 'labelled'} -n 12 -o {kind}.{kind}", place)
            assert (said.code, said.err) == (0, ""), said
            assert said.out == f"wrote 12 samples to {kind}.{kind}\n"
        return place

    def test_every_kind_holds_the_same_samples(self, drawn):
        with np.load(drawn / "npz.npz", allow_pickle=False) as found:
            x, cond = found["x"], found["cond"]
        assert x.shape == (12, 2)
        assert cond.tolist() == [0, 1] * 6
        assert np.array_equal(np.load(drawn / "npy.npy", allow_pickle=False), x)
        rows = read_csv(drawn / "csv.csv")
        assert list(rows[0]) == ["x0", "x1", "cond"]
        assert np.allclose([[float(row["x0"]), float(row["x1"])] for row in rows], x, rtol=1e-6)
        assert [float(row["cond"]) for row in rows] == cond.tolist()
        with Image.open(drawn / "png.png") as image:
            assert min(image.size) > 100
            assert image.convert("L").getextrema()[0] < 128

    def test_options_do_what_they_say(self, shell, runs, tmp_path):
        def draw(options):
            said = shell(f"sample {runs / 'labelled'} -n 4 -o x.npz {options}", tmp_path)
            assert said.code == 0, said
            with np.load(tmp_path / "x.npz") as found:
                return found["x"], found["cond"].tolist()

        x, cond = draw("")
        assert np.array_equal(draw("--seed 0")[0], x)
        assert cond == [0, 1, 0, 1]
        for options in ("--seed 1", "--steps 9", "--solver Euler", "--cond 1,1,1,1", "--guidance 3"):
            assert not np.array_equal(draw(options)[0], x), options
        assert draw("--cond 1")[1] == [1, 1, 1, 1]
        np.save(tmp_path / "c.npy", np.array([1, 0, 0, 1]))
        (tmp_path / "c.csv").write_text("1\n0\n0\n1\n")
        assert draw("--cond c.npy")[1] == draw("--cond c.csv")[1] == draw("--cond 1,0,0,1")[1] == [1, 0, 0, 1]

    def test_a_table_keeps_the_names_of_its_columns_and_one_number_a_row_is_its_condition(self, shell, tmp_path):
        rng = np.random.default_rng(0)
        rows = "".join(f"{a:.3f},{b:.3f},{c:.3f},{h:.3f}\n" for a, b, c, h in rng.normal(size=(40, 4)))
        (tmp_path / "t.csv").write_text("mass,charge,spin,height\n" + rows)
        options = f"{shell.tiny} --set data.path=t.csv --set data.cond=height"
        for line in (f"train tabular --out run {options}", "sample run -n 4 --cond 1.7,1.8,1.9,2 -o x.csv"):
            said = shell(line, tmp_path)
            assert said.code == 0, said
        found = read_csv(tmp_path / "x.csv")
        assert list(found[0]) == ["mass", "charge", "spin", "cond"]
        assert [float(row["cond"]) for row in found] == pytest.approx([1.7, 1.8, 1.9, 2.0])

    def test_classes_have_names(self, shell, tmp_path):
        for k, name in enumerate(("cat", "dog")):
            for i in range(4):
                path = tmp_path / "pets" / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (8, 8), 60 * k + 20 * i).save(path)
        options = shell.tiny.replace("net.depth=1", "net.type=MLP")
        size = "--set data.size=8 --set objective.cond_drop=0 --set training.channels_last=false"
        said = shell(f"train images --out run --set data.path=pets {size} {options}", tmp_path)
        assert said.code == 0, said
        for text, labels in (("dog", [1, 1, 1]), ("dog, cat,dog", [1, 0, 1]), ("1,cat,0", [1, 0, 0]), ("1", [1, 1, 1])):
            assert shell(f"sample run -n 3 -o x.npz --cond '{text}'", tmp_path).code == 0
            assert np.load(tmp_path / "x.npz")["cond"].tolist() == labels
        wrong = shell("sample run -n 3 -o x.npz --cond dgo", tmp_path)
        assert (wrong.code, wrong.err) == (2, "error: --cond dgo: unknown class 'dgo'; did you mean dog?\n")
        assert shell("sample run -o x.png", tmp_path).code == 0


class TestEvaluate:
    def test_every_figure_has_its_floor_and_is_said(self, judged):
        place, said = judged
        for run, more in (("run", {"nll"}), ("labelled", {"class_accuracy", "nll"})):
            found = json.loads((place / run / "metrics.json").read_text())
            floored = {"wasserstein", "sliced_wasserstein", "energy_distance", "frechet"}
            floored |= {"precision", "recall", "coverage"} | more - {"nll"}
            assert found.keys() == {f"{name}{end}" for name in floored for end in ("", "_floor")} | {"nll"}
            assert all(np.isfinite(value) for value in found.values())
        for name in ("wasserstein", "class_accuracy", "nll"):
            assert name in said["evaluate"].out
        assert "pushforward report labelled" in said["evaluate"].out

    def test_the_number_of_samples_can_be_chosen(self, shell, runs, tmp_path):
        shutil.copytree(runs / "run", tmp_path / "run")
        said = shell("evaluate run -n 30", tmp_path)
        assert said.code == 0
        assert said.out.startswith("30 samples of run against held-out data\n")
        assert len(np.load(tmp_path / "run" / "samples.npz")["x"]) == 30


def test_report_says_where_it_is_and_shows_all(judged):
    place, said = judged
    assert said["report"].out == "wrote labelled/report.html\n"
    page = (place / "labelled" / "report.html").read_text()
    assert page.count("<img") == len(list((place / "labelled" / "figures").iterdir())) == 3
    assert "Class accuracy" in page


def test_compare_has_a_column_for_each_run(shell, judged):
    place, _ = judged
    said = shell("compare run labelled --out both", place)
    assert (said.code, said.err) == (0, "")
    assert "wrote both/compare.csv and both/compare.png" in said.out
    found = read_csv(place / "both" / "compare.csv")
    assert [row["run"] for row in found] == ["run", "labelled"]
    assert float(found[0]["wasserstein"]) == json.loads((place / "run" / "metrics.json").read_text())["wasserstein"]
    assert found[1]["data.labels"] == "True"
    assert (place / "both" / "compare.png").read_bytes().startswith(b"\x89PNG")


class TestLists:
    def test_methods_for_programs(self, shell, tmp_path):
        found = json.loads(shell("methods --json", tmp_path).out)
        assert len(found) == len(METHODS) >= 10
        for method in found:
            assert list(method) == ["id", "family", "room", "paper", "recipe", "tests", "summary"]
            assert all(isinstance(method[key], str) for key in ("id", "family", "room", "paper", "summary"))
            assert method["recipe"] is None or method["recipe"] in names()
            assert method["tests"]
        (one,) = json.loads(shell("methods minibatch_ot_cfm --json", tmp_path).out)
        assert one == next(method for method in found if method["id"] == "minibatch_ot_cfm")

    def test_methods_for_people(self, shell, tmp_path):
        every = shell("methods", tmp_path).out
        assert all(method.id in every for method in METHODS)
        one = shell("methods minibatch_ot_cfm", tmp_path).out
        assert "arxiv.org" in one
        assert ".. math::" in one

    def test_recipes_data_doctor_and_version(self, shell, tmp_path):
        assert all(name in shell("recipes", tmp_path).out for name in names())
        assert all(name in shell("data", tmp_path).out for name in ("Table", "ImageFolder", "Moons"))
        assert all(name in shell("doctor", tmp_path).out for name in ("torch", "device", "PUSHFORWARD_DATA"))
        assert shell("--version", tmp_path).out.startswith("pushforward 0.")
        assert "Usage: pushforward" in shell("", tmp_path).out


def test_bench_prints_and_keeps_what_it_measured(shell, tmp_path, monkeypatch):
    result = Result("stub", "case", "exact_ot", "wasserstein", 0.5, "", 0, "ours")

    class Suite:
        def measure(self, job):
            yield [result]

    monkeypatch.setitem(SUITES, "stub", Budgets(Suite(), Suite()))
    said = shell("bench stub --quick --out b", tmp_path)
    assert said.code == 0, said
    (row,) = read_csv(tmp_path / "b" / "results.csv")
    assert list(row) == ["suite", "case", "method", "metric", "value", "unit", "seed", "source"]
    assert float(row["value"]) == 0.5
    assert "wrote b/results.csv" in said.out


def test_help_and_import_do_not_wait_for_torch(shell, tmp_path):
    code = """if True:
        import sys
        import pushforward
        assert "torch" not in sys.modules
        from pushforward.cli import main
        for words in (["--help"], ["train", "--help"], []):
            sys.argv = ["pushforward", *words]
            try:
                main()
            except SystemExit as ended:
                assert ended.code == 0
        assert "torch" not in sys.modules
    """
    said = shell.python(code, tmp_path)
    assert (said.code, said.err) == (0, "")
    for command in ("train", "sample", "evaluate", "compare", "report", "bench", "methods", "recipes", "doctor"):
        assert command in said.out
