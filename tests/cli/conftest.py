"""The command line, called in this process or as a process of its own, and two tiny runs to call it on."""

import hashlib
import io
import logging
import os
import shlex
import subprocess
import sys
import threading
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

import pytest

from pushforward.cli.app import main

TINY = (
    "--set training.steps=20 --set training.batch_size=32 --set training.checkpoint_every=10 "
    "--set training.log_every=1 --set net.width=16 --set net.depth=1 --set sampling.steps=4 "
    "--set evaluation.samples=60 --set evaluation.exact=60"
)
LABELLED = "--set data.labels=true --set objective.cond_drop=0.2"


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Shell:
    """`shell("train moons", cwd)` runs the command line; `real=True` in a process of its own."""

    tiny, labelled = TINY, LABELLED

    def __call__(self, line, cwd, *, real=False, environment=None):
        words, added = shlex.split(line), {"OMP_NUM_THREADS": "1", **(environment or {})}
        if real:
            return self._process([sys.executable, "-m", "pushforward", *words], cwd, added)
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(cwd),
            mock.patch.object(sys, "argv", ["pushforward", *words]),
            mock.patch.dict(os.environ, added),
            mock.patch.object(threading, "excepthook"),
            mock.patch.object(logging, "disable"),
            warnings.catch_warnings(),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        return Said(ended.value.code, out.getvalue(), err.getvalue())

    def python(self, code, cwd, *words):
        """A Python program with arguments."""
        return self._process([sys.executable, "-c", code, *words], cwd, {"OMP_NUM_THREADS": "1"})

    def _process(self, words, cwd, environment):
        done = subprocess.run(
            words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def shell():
    return Shell()


@pytest.fixture(scope="session")
def runs(shell, tmp_path_factory):
    """A folder with two finished runs: `run`, and `labelled`, which knows the labels 0 and 1."""
    place = tmp_path_factory.mktemp("runs")
    for line in (f"train moons --out run {TINY}", f"train moons --out labelled {TINY} {LABELLED}"):
        said = shell(line, place)
        assert said.code == 0, said
    return place


@pytest.fixture(scope="session")
def contents():
    """`contents(folder)`: every file below it, with a sum of its bytes."""

    def read(folder):
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return read
