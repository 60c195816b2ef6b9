"""Run folders as training and evaluation leave them."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

CONFIG = {
    "recipe": "moons",
    "version": "0.1.0",
    "seed": 3,
    "data": {"type": "Moons", "noise": 0.06},
    "coupling": "ExactOT",
    "path": {"type": "Affine", "schedule": "CondOT"},
    "objective": "FlowMatching",
    "net": {"type": "MLP", "width": 64},
    "training": {"steps": 100, "batch_size": 32},
    "sampling": {"solver": "Heun", "steps": 20},
    "evaluation": {"n": 1000},
}
METRICS = {"wasserstein": 0.3, "wasserstein_floor": 0.2, "class_accuracy": 0.95, "curvature": 0.0123, "solver": "Heun"}


@pytest.fixture
def config():
    return CONFIG


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def points():
    """What evaluation leaves of a flow in the plane."""
    rng = np.random.default_rng(0)
    x, source = rng.normal(1, 0.2, (80, 2)), rng.standard_normal((80, 2))
    times = np.linspace(0, 1, 5)
    t = times[:, None, None]
    return {
        "x": x,
        "cond": rng.integers(0, 2, 80),
        "real": rng.normal(1, 0.2, (60, 2)),
        "real_cond": rng.integers(0, 2, 60),
        "source": source,
        "trajectory": (1 - t) * source[:20] + t * x[:20],
        "times": times,
    }


@pytest.fixture(scope="session")
def make_run(tmp_path_factory):
    """Writes a run folder, in a folder of its own; a part that is None is left out."""

    def make(name="run", *, config=CONFIG, history=True, metrics=METRICS, samples=None, frame=None):
        run = tmp_path_factory.mktemp("runs") / name
        run.mkdir(parents=True)
        if config is not None:
            (run / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
        if history:
            lines = [
                {"step": k, "loss": 1 / k, "learning_rate": 1e-3, "seconds": k / 10, "steps_per_second": 10.0}
                for k in range(1, 101)
            ]
            lines += [{"step": k, "validation_loss": 1.1 / k} for k in (50, 100)]
            (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if metrics is not None:
            (run / "metrics.json").write_text(json.dumps(metrics))
        if frame is not None:
            save_file({"w": np.zeros(1)}, run / "model.safetensors", {"frame": json.dumps(frame)})
        if samples is not None:
            np.savez(run / "samples.npz", **samples)
        return run

    return make
