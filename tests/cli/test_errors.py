"""Wrong inputs: exit code 2, one line that says what, where and how to mend, and no file touched."""

import re
import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

ROWS = "a,b,y\n" + "".join(f"{k}.5,{k % 7},{k % 2}\n" for k in range(20))
RUN = (
    "{recipe: moons, data: {type: Toy, target: Moons}, net: {type: MLP, width: 8}, training: {steps: 2, batch_size: 4}}"
)
CLOSED = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


def save(**arrays):
    return lambda path: np.savez(path, **arrays)


def image(path):
    path.parent.mkdir(exist_ok=True)
    Image.new("L", (8, 8)).save(path)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def unframe(path):
    save_file(load_file(path), path, {"frame": "{}"})


def edit(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


@dataclass(frozen=True)
class Wrong:
    """A command line; `says`, a pattern of what it must answer; and the files that must be there before.

    `given` has text, or a function of the path that writes the file. Where the line names `run` or `labelled`, a copy
    of that run is there first.
    """

    line: str
    says: str
    given: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    real: bool = False


def table(text, says, options="", *, name="t.csv", real=False):
    return Wrong(f"train tabular --out new --set data.path={name} {options}", says, {name: text}, real=real)


def with_yaml(text, says, *, real=False):
    return Wrong("train my.yaml --out new", says, {"my.yaml": text}, real=real)


def with_set(assignment, says, *, recipe="moons", real=False):
    return Wrong(f"train {recipe} --out new --set '{assignment}'", says, real=real)


WRONG = {
    # the words themselves
    "unknown command": Wrong("trian moons", "no such command 'trian'.*'train'.*--help", real=True),
    "unknown option": Wrong(
        "sample run -o x.npz --stps 3", "no such option: --stps.*--steps.*sample --help", real=True
    ),
    "missing argument": Wrong("evaluate", "missing argument 'RUN'", real=True),
    "missing option": Wrong("sample run", "missing option.*--output"),
    "text for a number": Wrong("train moons --devices two", "'--devices'.*integer"),
    "nothing to train": Wrong("train", "name a recipe.*--resume DIR"),
    "unknown recipe": Wrong("train mons", r"unknown recipe 'mons'; did you mean moons\?", real=True),
    "unknown method": Wrong("methods cfg_zero", r"unknown method 'cfg_zero'; did you mean cfg_zero_star\?"),
    # configurations
    "unknown key": with_yaml("trainning: {steps: 3}", r"unknown key 'trainning'.*did you mean training\?", real=True),
    "key that is no text": with_yaml("1: 2", "unknown key '1'.*known: "),
    "key of a part that is no text": with_yaml("net: {type: MLP, 1: 2}", "unknown key 'net.1'.*known: "),
    "misspelt coupling": with_set("coupling=ExcatOT", r"coupling: unknown name 'ExcatOT'; did you mean ExactOT\?"),
    "misspelt field": with_set("training.step=3", r"unknown key 'training.step'.*did you mean steps\?"),
    "misspelt field of a part": with_set("net.widht=3", r"unknown key 'net.widht': ResidualMLP.*did you mean width\?"),
    "field of a number": with_set("training.steps.x=3", "'training.steps.x'.*3000.*no fields"),
    "wrong type": with_set("training.steps=three", "training.steps: got 'three'.*integer"),
    "wrong type of a section": with_set("sampling=3", "sampling: got 3, expected a mapping"),
    "fraction of a step": with_set("training.steps=1.5", "training.steps: got 1.5.*integer"),
    "set without =": with_set("training.steps", "--set 'training.steps': expected KEY.PATH=VALUE"),
    "set without key": with_set("=3", "--set '=3': expected KEY.PATH=VALUE"),
    "set of broken YAML": with_set("net=[1", r"--set net: '\[1' is not valid YAML; quote"),
    "set of no date": with_set("net=2024-99-99", "--set net: '2024-99-99' is not valid YAML; quote"),
    "broken YAML": with_yaml("seed: 0\ntraining: {steps: 3\n", r"my.yaml, line \d: not valid YAML; check"),
    "YAML with tabs": with_yaml("training:\n\tsteps: 3\n", "my.yaml, line 2: not valid YAML; check"),
    "YAML that would run code": with_yaml("net: !!python/object/apply:os.getcwd []", "line 1: not valid YAML"),
    "empty YAML": with_yaml("", "my.yaml: got nothing, expected a mapping"),
    "YAML that is a list": with_yaml("- seed\n- 0\n", "my.yaml: got list, expected a mapping"),
    "YAML that is no text": with_yaml(lambda p: p.write_bytes(b"\xff\xfe\x00\xd8"), "my.yaml.*not a text file"),
    "missing YAML": Wrong("train my.yaml", "my.yaml: .*no such file.*give the path"),
    "folder for a YAML": Wrong("train ./run", "run: cannot be read.*give the path of a YAML file"),
    "no data": with_yaml("net: MLP", "names no data; add a `data` section"),
    "no net": with_set("net=null", "names no net; add one"),
    "missing field": Wrong("train tabular --out new", "data.path is not set.*--set data.path=VALUE"),
    "negative steps": with_set("training.steps=-5", "training.steps is -5, expected at least 1"),
    "zero batch": with_set("training.batch_size=0", "training.batch_size is 0, expected at least 1"),
    "batch that cannot be shared": Wrong(
        "train moons --out new --devices 3 --set training.batch_size=64", "64 cannot be shared.*3 devices; use 66"
    ),
    "learning rate that is none": with_set("training.learning_rate=.nan", "learning_rate is nan, expected a positive"),
    "negative width": with_set("net.width=-3", "width=-3, expected at least 1"),
    "negative noise": with_set("data.target={type: Moons, noise: -1}", "noise.*-1"),
    "enormous seed": with_set("seed=" + "9" * 30, "seed.*9.*expected"),
    "unknown device": Wrong("train moons --out new --device tpu", "training.device is 'tpu', expected auto, cpu"),
    "no such device": Wrong("train moons --out new --device cuda", "cuda, which this machine does not have", real=True),
    "coupling that is refused": with_set("coupling={type: EntropicOT, epsilon: -1}", "epsilon.*-1"),
    # data
    "missing csv": Wrong("train tabular --out new --set data.path=no.csv", "no.csv is not a file; check"),
    "NaN in a csv": table(ROWS + ",3,1\n", "t.csv holds nan at row 20, column 'a'.*remove or fill", real=True),
    "infinity in a csv": table(ROWS + "0,inf,1\n", "t.csv holds inf at row 20, column 'b'"),
    "text in a csv": table(ROWS + "0,many,1\n", "t.csv holds 'many' at row 20, column 'b'.*expected a number"),
    "ragged csv": table(ROWS + "1,2,3,4,5\n", "t.csv cannot be read as a table.*line 22"),
    "empty csv": table("", "t.csv is empty; give"),
    "csv of one row": table("a,b\n1,2\n", r"t.csv has 1 row\(s\), expected at least 2"),
    "csv without names": table("1.5,2.5\n3.5,4.5\n5.5,6.5\n", "first line must name the columns"),
    "csv that is no text": table(lambda p: p.write_bytes(b"\x00\xff\xfe" * 99), "t.csv cannot be read as a table"),
    "unknown condition": table(ROWS, r"t.csv has no column 'yy'; did you mean y\?", "--set data.cond=yy"),
    "unknown column": table(ROWS, r"t.csv has no column 'aa'; did you mean a\?", "--set 'data.columns=[aa, b]'"),
    "column as both": table(ROWS, "'a'.*both in columns and in cond", "--set 'data.columns=[a]' --set data.cond=a"),
    "wrong columns": table(ROWS, "data.columns: got 'a'", "--set data.columns=a"),
    "npz without x": table(save(z=np.ones((5, 2))), "t.npz holds z, expected an array named x", name="t.npz"),
    "npy of objects": table(lambda p: np.save(p, np.array([{}])), "t.npy.*object", name="t.npy", real=True),
    "wrong ndim": table(
        save(x=np.ones((5, 2, 2))), r"x in t.npz has shape \[5, 2, 2\], expected \[rows, c", name="t.npz"
    ),
    "npz that is none": table("no zip", "t.npz", name="t.npz"),
    "unknown kind of table": table(ROWS, "t.txt is of no known kind, expected .csv", name="t.txt"),
    "images: no folder": Wrong("train images --out new --set data.path=nothing", "nothing is not a folder; give one"),
    "images: empty folder": Wrong(
        "train images --out new --set data.path=pics", "pics holds no images .*; check", {"pics/readme.txt": "none"}
    ),
    "images: unreadable": Wrong(
        "train images --out new --set data.path=pics",
        "pics/b.png cannot be read as an image.*remove or replace",
        {"pics/a.png": image, "pics/b.png": "no image"},
    ),
    "images: two kinds of place": Wrong(
        "train images --out new --set data.path=pics", "a.png.*move", {"pics/a.png": image, "pics/cats/b.png": image}
    ),
    "MNIST without network": Wrong(
        "train mnist --out new",
        "train-images-idx3-ubyte.gz is not in .* set PUSHFORWARD_DATA to a folder",
        environment=CLOSED | {"PUSHFORWARD_DATA": "", "PUSHFORWARD_CACHE": "cache", "no_proxy": "", "NO_PROXY": ""},
        real=True,
    ),
    # runs
    "run that is not there": Wrong("sample nowhere -o x.npz", "nowhere is no run folder; train one"),
    "folder that is no run": Wrong("evaluate pics", "pics has no config.yaml; give", {"pics/a.png": image}),
    "run without model": Wrong(
        "evaluate begun", "model.safetensors does not exist.*resume", {"begun/config.yaml": "{}"}
    ),
    "damaged model": Wrong(
        "sample run -o x.npz", "model.safetensors is damaged", {"run/model.safetensors": cut}, real=True
    ),
    "empty model": Wrong("sample run -o x.npz", "model.safetensors is damaged", {"run/model.safetensors": ""}),
    "model of another run": Wrong(
        "sample run -o x.npz", "of another model.*use the config", {"run/config.yaml": edit("width: 16", "width: 8")}
    ),
    "damaged checkpoint": Wrong(
        "train --resume run",
        "step-00000020.safetensors is damaged.*delete .*json to resume from step 10",
        {"run/checkpoint/step-00000020.safetensors": flip},
        real=True,
    ),
    "resume of no run": Wrong("train --resume pics", "pics holds no run to resume.*give", {"pics/a.png": image}),
    "resume with a recipe": Wrong("train moons --resume run", "drop 'moons', or drop --resume"),
    "resume into another folder": Wrong("train --resume run --out other", "its own folder; drop --out"),
    "resume with another seed": Wrong("train --resume run --set seed=5", "seed 0, got 5; use seed 0"),
    "resume with another net": Wrong("train --resume run --set net.width=8", "of another model"),
    "folder that holds a run": Wrong("train moons --out run", "run holds a finished run; choose another", real=True),
    "folder that holds a checkpoint": Wrong(
        "train moons --out run", "checkpoint holds a run at step 20; resume it", {"run/model.safetensors": None}
    ),
    "report of no run": Wrong("report pics", "pics has no config.yaml.*give", {"pics/a.png": image}),
    "report of a damaged run": Wrong("report run", "samples.npz cannot be read", {"run/samples.npz": cut}),
    "compare of no run": Wrong("compare run nowhere", "no run folder nowhere; give"),
    "compare of a run with itself": Wrong("compare run run", "named twice; name each run once"),
    "compare without an evaluation": Wrong("compare run", "evaluat"),
    # sampling and evaluation
    "condition out of range": Wrong(
        "sample labelled -o x.npz --cond 7", "condition 7 is out of range.*0 to 1", real=True
    ),
    "negative condition": Wrong("sample labelled -o x.npz --cond=-1", "condition -1 is out of range.*0 to 1"),
    "condition that is no label": Wrong("sample labelled -o x.npz --cond 0.5", "cond.*expected.*integer label"),
    "too few conditions": Wrong("sample labelled -o x.npz -n 5 --cond 0,1", "expected 5 integer labels"),
    "needless condition": Wrong("sample run -o x.npz --cond 1", "trained without conditions; drop cond"),
    "condition that is no number": Wrong(
        "sample labelled -o x.npz --cond 1,two", "--cond 1,two.*'two'.*; give a label"
    ),
    "missing condition file": Wrong("sample labelled -o x.npz --cond c.npy", "--cond c.npy: no such file; give"),
    "empty condition file": Wrong("sample labelled -o x.npz --cond c.npy", "--cond c.npy: ", {"c.npy": ""}),
    "text in a condition file": Wrong(
        "sample labelled -o x.npz --cond c.csv", "--cond c.csv: .*; give", {"c.csv": "a\n"}
    ),
    "unknown solver": Wrong("sample run -o x.npz --solver Huen", r"solver: unknown name 'Huen'; did you mean Heun\?"),
    "infinite label": Wrong("sample labelled -o x.npz --cond inf", "--cond inf: .*not finite.*; give", real=True),
    "label beyond all numbers": Wrong("sample labelled -o x.npz --cond 1e300", r"--cond 1e300: .*beyond 2\^53; give"),
    "output without a name": Wrong("sample run -o ''", "'--output'.*it is empty; name a file or a folder"),
    "run folder without a name": Wrong("train moons --out ''", "'--out'.*it is empty; name a file or a folder"),
    "run without a name": Wrong("evaluate ''", "'RUN'.*it is empty; name"),
    "steps beyond all memory": Wrong("sample run -o x.npz --steps 1000000000000000", "not enough memory.*fewer steps"),
    "steps beyond all numbers": Wrong(
        "sample run -o x.npz --steps 1000000000000000000000", "'--steps'.*less than or equal to"
    ),
    "samples beyond all numbers": Wrong("sample run -o x.npz -n 1000000000000000000000", "'-n'.*less than or equal to"),
    "damaged frame": Wrong(
        "sample run -o x.npz", "model.safetensors is damaged .*; restore", {"run/model.safetensors": unframe}
    ),
    "metrics.jsonl that is a folder": Wrong(
        "train --resume begun",
        "metrics.jsonl is no file.*; move",
        {"begun/config.yaml": RUN, "begun/metrics.jsonl/a": ""},
    ),
    "events that is a file": Wrong(
        "train --resume begun", "events is no folder.*; move", {"begun/config.yaml": RUN, "begun/events": ""}
    ),
    "no samples": Wrong("sample run -o x.npz -n 0", "n: got 0, expected at least 1"),
    "fewer than no samples": Wrong("sample run -o x.npz -n -5", "n: got -5, expected at least 1"),
    "samples beyond all memory": Wrong("sample run -o x.npz -n 1000000000000000", "not enough memory; ask for fewer"),
    "no steps": Wrong("sample run -o x.npz --steps 0", "steps: got 0, expected at least 1"),
    "guidance that is none": Wrong("sample labelled -o x.npz --guidance nan", "guidance: got nan, expected a finite"),
    "guidance to nothing": Wrong("sample run -o x.npz --guidance 2", "expected the condition to guide towards"),
    "unknown device to sample on": Wrong("sample run -o x.npz --device tpu", "no device 'tpu'; use cpu"),
    "unknown output": Wrong("sample run -o x.xlsx", "x.xlsx: cannot write '.xlsx'; use .csv, .npy"),
    "output without ending": Wrong("sample run -o x", "use .csv, .npy, .npz or .png"),
    "output below a file": Wrong(
        "sample run -o f/x.npz", "cannot write f/x.npz: .*choose another", {"f": "full"}, real=True
    ),
    "output that is a folder": Wrong("sample run -o d.npz", "cannot write d.npz: ", {"d.npz/inside": "full"}),
    "output where nobody writes": Wrong("sample run -o /proc/x.npz", "cannot write /proc/x.npz: "),
    "run folder below a file": Wrong("train moons --out f/run", "cannot write f/run/.*choose another", {"f": "full"}),
    "too few rows": Wrong("evaluate run -n 1", "evaluation.samples: got 1, expected at least 6"),
    # benchmarks
    "unknown suite": Wrong("bench two_dims --out new", "unknown suite 'two_dims'.*two_dim"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input(name, shell, runs, contents, tmp_path):
    wrong = WRONG[name]
    for run in ("run", "labelled"):
        if run in re.split(r"[\s/]+", wrong.line):
            shutil.copytree(runs / run, tmp_path / run)
    for place, content in wrong.given.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        elif callable(content):
            content(path)
        else:
            path.write_text(content)
    before = contents(tmp_path)

    said = shell(wrong.line, tmp_path, real=wrong.real, environment=wrong.environment)

    assert said.code == 2, said
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert re.match(rf"error: .*{wrong.says}", lines[0]), lines[0]
    assert re.search(r"; |did you mean|known: |expected |needs ", lines[0]), f"does not say how to mend it: {lines[0]}"
    assert contents(tmp_path) == before
