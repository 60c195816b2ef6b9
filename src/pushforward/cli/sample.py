"""`pushforward sample`."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from pushforward.cli.output import say
from pushforward.core import InvalidInput, generator_from, nearest, require
from pushforward.flow import Flow
from pushforward.training import atomic_write

__all__ = ["run"]

Arrays = dict[str, np.ndarray]
RULE = "-" * 40


def run(
    folder: Path,
    output: Path,
    n: int,
    steps: int | None,
    solver: str | None,
    cond: str | None,
    guidance: float | None,
    seed: int,
    device: str | None,
) -> None:
    """Draw, and write one file."""
    suffix = output.suffix.lower()
    require(
        suffix in WRITERS,
        f"{output}: cannot write {suffix or 'a file without ending'!r}; use .csv, .npy, .npz or .png, or for texts "
        ".csv, .fasta or .txt",
    )
    flow = Flow.load(folder)
    known = flow.frame_.tokeniser is not None
    require(
        known or suffix not in TEXTS, f"{output}: these samples are numbers, not texts; use .csv, .npy, .npz or .png"
    )
    require(
        flow.frame_.vocab is None or suffix != ".png",
        f"{output}: these samples are symbols, which make no picture; use .npz" + ", .csv, .fasta or .txt" * known,
    )
    if device is not None:
        flow.to(device)
    generator = generator_from(seed, "sample", device=flow.device)
    condition = None if cond is None else _condition(cond, flow)
    x = flow.sample(n, condition, steps=steps, solver=solver, guidance=guidance, generator=generator)
    used = flow.condition(condition, n)
    arrays = {"x": x.cpu().numpy()} | ({"cond": used.cpu().numpy()} if isinstance(used, Tensor) else {})
    atomic_write(output, WRITERS[suffix](arrays, flow))
    say(f"wrote {n} samples to {output}")


def _condition(text: str, flow: Flow) -> np.ndarray:
    """Labels or vectors, from the command line or from a file."""
    path = Path(text)
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        elif path.suffix == ".csv":
            found = np.loadtxt(path, delimiter=",")
        else:
            found = np.array([float(part) for part in _labelled(text, flow.frame_.class_names)])
    except InvalidInput:
        raise
    except (OSError, ValueError, EOFError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
        raise InvalidInput(
            f"--cond {text}: {reason}; give a label, numbers such as 0,1,2, or a .npy or .csv file of numbers"
        ) from None
    require(
        found.dtype.kind in "iu" or (found.dtype.kind == "f" and bool((np.abs(found) < 2**53).all())),
        f"--cond {text}: it holds no number, or one that is not finite or beyond 2^53; give labels or numbers of "
        "ordinary size",
    )
    if flow.frame_.features == 1 and found.ndim == 1:  # a number for each sample
        found = found[:, None]
    labels = flow.frame_.classes is not None and found.dtype.kind == "f" and bool((found == np.round(found)).all())
    found = found.astype(np.int64) if labels else found
    return found.reshape(()) if found.shape == (1,) and labels else found


def _labelled(text: str, names: tuple[str, ...] | None) -> list[str]:
    """What stands between the commas, names of classes replaced by their labels.

    A number is a label even where classes are called by other numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if names is None or all(part.replace(".", "", 1).removeprefix("-").isdigit() for part in parts):
        return parts
    parts = [text] if text in names else parts  # names may hold commas
    for part in parts:
        require(part in names or part.isdigit(), f"--cond {text}: unknown class {part!r}; {nearest(part, names)}")
    return [str(names.index(part)) if part in names else part for part in parts]


def _npz(arrays: Arrays, flow: Flow) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def _npy(arrays: Arrays, flow: Flow) -> bytes:
    file = io.BytesIO()
    np.save(file, arrays["x"], allow_pickle=False)
    return file.getvalue()


def _texts(arrays: Arrays, flow: Flow) -> list[str]:
    return flow.decode(arrays["x"])


def _called(arrays: Arrays, flow: Flow) -> list[str]:
    """What the label of every sample means; nothing where there are no labels."""
    cond, names = arrays.get("cond"), flow.frame_.class_names
    if cond is None or cond.ndim != 1:
        return [""] * len(arrays["x"])
    return [names[label] if names and 0 <= label < len(names) else str(label) for label in cond.tolist()]


def _txt(arrays: Arrays, flow: Flow) -> bytes:
    """A line for every sample, or where samples hold lines, a rule between them."""
    texts = _texts(arrays, flow)
    between = f"\n{RULE}\n" if any("\n" in text for text in texts) else "\n"
    return (between.join(texts) + "\n").encode()


def _fasta(arrays: Arrays, flow: Flow) -> bytes:
    names = _called(arrays, flow)
    entries = zip(names, _texts(arrays, flow), strict=True)
    return "".join(f">sample-{k} {name}".rstrip() + f"\n{text}\n" for k, (name, text) in enumerate(entries)).encode()


def _text_csv(arrays: Arrays, flow: Flow) -> bytes:
    names, file = _called(arrays, flow), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    labelled = any(names)
    writer.writerow(["sequence", *["label"] * labelled])
    for name, text in zip(names, _texts(arrays, flow), strict=True):
        writer.writerow([text, *[name] * labelled])
    return file.getvalue().encode()


def _csv(arrays: Arrays, flow: Flow) -> bytes:
    if flow.frame_.tokeniser is not None:
        return _text_csv(arrays, flow)
    x = arrays["x"].reshape(len(arrays["x"]), -1)
    names = list(flow.frame_.columns or [f"x{k}" for k in range(x.shape[1])])
    if "cond" in arrays:
        cond = arrays["cond"].reshape(len(x), -1)
        names += ["cond"] if cond.shape[1] == 1 else [f"cond{k}" for k in range(cond.shape[1])]
        x = np.concatenate([x, cond], 1)
    file = io.StringIO()
    np.savetxt(file, x, delimiter=",", header=",".join(names), comments="", fmt="%.8g")
    return file.getvalue().encode()


def _png(arrays: Arrays, flow: Flow) -> bytes:
    from pushforward.report import picture, png  # matplotlib comes with it

    frame, space = flow.frame_, getattr(flow.config_.path, "space", None)
    x, cond = arrays["x"], arrays.get("cond")
    return png(picture(x, cond, columns=frame.columns, class_names=frame.class_names, space=space))


TEXTS: dict[str, Callable[[Arrays, Flow], bytes]] = {".fasta": _fasta, ".txt": _txt}
WRITERS: dict[str, Callable[[Arrays, Flow], bytes]] = {
    ".csv": _csv,
    ".npy": _npy,
    ".npz": _npz,
    ".png": _png,
    **TEXTS,
}
