"""Runs of texts from the command line: trained, killed and resumed, sampled, judged and shown."""

import csv
import json
import subprocess
import sys
import time

import numpy as np
import pytest

SETTINGS = (
    "--set data.path=text.txt --set data.length=12 --set training.steps=30 --set training.batch_size=8 "
    "--set training.checkpoint_every=10 --set training.log_every=1 --set training.workers=0 --set net.width=16 "
    "--set net.depth=1 --set net.heads=1 --set sampling.steps=3 --set evaluation.samples=8"
)
TABLE = "sequence,kind\n" + "".join(f"{'ACGT'[k % 4] * 6},{'ab'[k % 2]}\n" for k in range(40))
LABELLED = (
    "--set data.path=table.csv --set data.only=null --set data.labels=kind --set data.split=null "
    "--set training.steps=3 --set training.batch_size=8 --set training.workers=0 --set net.width=8 "
    "--set 'net.dilations=[1]' --set sampling.steps=2"
)


def write(place):
    (place / "text.txt").write_text("<b>one</b> two & three,\nfour. " * 60)
    (place / "table.csv").write_text(TABLE)


@pytest.fixture(scope="module")
def place(shell, tmp_path_factory):
    found = tmp_path_factory.mktemp("texts")
    write(found)
    for line in (f"train characters --out run {SETTINGS}", f"train dna --out labelled {LABELLED}", "evaluate run"):
        said = shell(line, found)
        assert said.code == 0, said
    return found


def test_a_killed_run_of_symbols_resumes_to_the_same_bits(place, shell, contents, tmp_path):
    write(tmp_path)
    words = f"train characters --out run {SETTINGS} --set training.steps=30".split()
    process = subprocess.Popen([sys.executable, "-m", "pushforward", *words], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        while not (tmp_path / "run" / "checkpoint" / "step-00000010.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()  # SIGKILL: nothing is tidied up
        process.communicate()
    said = shell("train --resume run", tmp_path)
    assert said.code == 0, said
    assert contents(tmp_path / "run")["model.safetensors"] == contents(place / "run")["model.safetensors"]


@pytest.mark.parametrize("suffix", ["txt", "fasta", "csv", "npz"])
def test_samples_are_written_as_texts(suffix, place, shell):
    said = shell(f"sample labelled -n 4 -o out.{suffix}", place)
    assert said.code == 0, said
    shell("sample labelled -n 4 -o plain.npz", place)
    texts = ["".join("ACGT"[k] for k in row) for row in np.load(place / "plain.npz")["x"].tolist()]
    out = place / f"out.{suffix}"
    if suffix == "npz":
        assert np.array_equal(np.load(out)["x"], np.load(place / "plain.npz")["x"])
    elif suffix == "csv":
        rows = list(csv.DictReader(out.open(newline="")))
        assert [row["sequence"] for row in rows] == texts
        assert [row["label"] for row in rows] == ["a", "b", "a", "b"]
    else:
        lines = out.read_text().splitlines()
        assert (lines if suffix == "txt" else lines[1::2]) == texts
        assert suffix == "txt" or lines[0] == ">sample-0 a"


def test_a_class_is_asked_for_by_name_and_guided(place, shell):
    said = shell("sample labelled -n 2 --cond b --guidance 2 -o b.fasta", place)
    assert said.code == 0, said
    assert (place / "b.fasta").read_text().count(" b\n") == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sample labelled -o out.png", "symbols, which make no picture"),
        ("sample labelled -o out.doc", "cannot write '.doc'.*\\.fasta or \\.txt"),
        ("sample labelled --solver Heun -o out.txt", "Heun adds motions"),
        ("train characters --out none --set data.path=nowhere.txt", "nowhere.txt is not a file"),
        ("train characters --out none --set data.path=text.txt --set path.space.vocab=3", "has room for 3"),
        ("train dna --out none --set data.path=table.csv --set data.only=null", "no column 'organism'"),
    ],
    ids=range(6),
)
def test_one_line_for_what_cannot_be(line, message, place, shell):
    import re

    said = shell(line, place)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert re.search(message, said.err), said.err


def test_it_is_judged_by_words_and_bound_and_compared(place, shell):
    found = json.loads((place / "run" / "metrics.json").read_text())
    assert {"trigram_distance", "trigram_distance_floor", "nats_per_symbol"} <= found.keys()
    said = shell("compare run labelled", place)
    assert said.code == 0, said
    assert "nats_per_symbol" in said.out


def test_the_page_shows_texts_escaped_and_no_pictures_of_numbers(place, shell):
    said = shell("report run", place)
    assert said.code == 0, said
    page = (place / "run" / "report.html").read_text()
    assert "<b>one" not in page
    assert "&lt;" in page
    assert "t = 0.00  ············" in page
    assert {path.name for path in (place / "run" / "figures").iterdir()} == {"losses.png"}
