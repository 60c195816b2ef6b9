"""`pushforward train`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pushforward.cli.output import command, say
from pushforward.cli.record import picture_of, record
from pushforward.config import override, read_yaml
from pushforward.core import InvalidInput, RunFailed, require
from pushforward.flow import Flow, resolve
from pushforward.training import complete_steps, main_process

__all__ = ["run"]


def run(
    recipe: str | None, out: Path | None, texts: list[str], resume: Path | None, device: str | None, devices: int | None
) -> None:
    """Train, write the model and a first look at its samples."""
    changes = _assignments(texts)
    changes |= {} if device is None else {"training.device": device}
    changes |= {} if devices is None else {"training.devices": devices}
    if resume is None:
        require(
            recipe is not None,
            "nothing to train; name a recipe (see `pushforward recipes`), a YAML file, or --resume DIR",
        )
        spec, folder = resolve(str(recipe)), out or Path("runs") / Path(str(recipe)).stem
    else:
        require(recipe is None, f"--resume {resume} continues that run; drop {recipe!r}, or drop --resume")
        require(out is None, f"--resume {resume} goes on in its own folder; drop --out")
        file = resume / "config.yaml"
        require(file.is_file(), f"{resume} holds no run to resume (no config.yaml); give the folder of a run")
        spec, folder = read_yaml(file), resume
    flow = Flow(override(spec, changes))
    say(f"training into {folder}")
    with _way_on(folder):
        flow.fit(folder=folder, resume=resume is not None, progress=True, on_sample=picture_of(folder))
        if main_process():
            record(flow, folder)
    say(f"wrote {folder / 'model.safetensors'}; next:")
    say(f"  {command('evaluate', folder)}\n  {command('report', folder)}")


def _assignments(texts: list[str]) -> dict[str, Any]:
    """`key.path=value` texts as a mapping; values are read as YAML."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        require(bool(equals and key), f"--set {text!r}: expected KEY.PATH=VALUE, e.g. --set training.steps=500")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # 2024-99-99 is a date, and none
            raise InvalidInput(
                f"--set {key}: {value!r} is not valid YAML; quote texts with brackets or colons"
            ) from None
    return found


@contextmanager
def _way_on(folder: Path) -> Iterator[None]:
    """Says how to go on with a run that stops inside."""

    def last() -> int:
        return max(complete_steps(folder / "checkpoint"), default=0)

    again = command("train", "--resume", folder)
    try:
        yield
    except KeyboardInterrupt:
        if last():
            say(f"stopped; step {last()} is kept; go on with: {again}")
        raise
    except RunFailed as error:
        kept = f"; step {last()} is kept, go on from it with {again} --set training.learning_rate=..." if last() else ""
        raise RunFailed(f"{error}{kept}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(f"{folder}: {reason}; make room on the disk, then go on with {again}") from error
