"""What a run shows of itself: samples.npz for the report, and pictures on the way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pushforward.core import generator_from
from pushforward.flow import Evaluated, Flow, usual_conditions
from pushforward.training import atomic_write

__all__ = ["picture_of", "record"]

ROWS = 1000
LINES = 200  # trajectories
LOOK = 100  # samples of a picture on the way
TEXTS = 12  # of all of them where they are texts, which are read


def record(flow: Flow, folder: Path, evaluated: Evaluated | None = None) -> None:
    """Write generated and real rows, in data units, and a few trajectories to `samples.npz`."""
    data = flow.dataset()
    rows, ways = (ROWS, LINES) if flow.frame_.vocab is None else (TEXTS, TEXTS)
    if evaluated is None:
        real, real_cond = data.held_out().take(rows, 0)
        cond = usual_conditions(data, rows)
        x = flow.sample(rows, cond, generator=generator_from(0, "record"))
    else:
        x, cond, real, real_cond = evaluated.samples, evaluated.cond, evaluated.real, evaluated.real_cond
    lines = flow.trajectory(ways, usual_conditions(data, ways), generator=generator_from(0, "lines"))
    assert isinstance(lines.xs, Tensor)
    units = torch.stack([flow.frame_.transform.inverse(state) for state in lines.xs])
    arrays = {"x": x, "cond": cond, "real": real, "real_cond": real_cond}
    arrays |= {"trajectory": units, "times": lines.times, "source": units[0]}
    kept = {name: rows.cpu().numpy() for name, rows in arrays.items() if isinstance(rows, Tensor)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # numpy adds .npz to names, not to open files
            np.savez_compressed(file, allow_pickle=False, **kept)

    atomic_write(folder / "samples.npz", write)


def picture_of(folder: Path) -> Callable[[Flow, int], None]:
    """What draws the samples of a flow in training to `figures/step-<step>.png`, or writes texts to `.txt` there."""

    def draw(flow: Flow, step: int) -> None:
        if flow.frame_.vocab is not None:
            x = flow.sample(TEXTS, usual_conditions(flow.dataset(), TEXTS), generator=generator_from(0, "look"))
            lines = flow.decode(x) if flow.frame_.tokeniser is not None else [" ".join(map(str, r)) for r in x.tolist()]
            atomic_write(folder / "figures" / f"step-{step:08d}.txt", ("\n\n".join(lines) + "\n").encode())
            return
        from pushforward.report import picture, png  # matplotlib comes with it

        cond = usual_conditions(flow.dataset(), LOOK)
        x = flow.sample(LOOK, cond, generator=generator_from(0, "look"))
        labels, frame = cond if isinstance(cond, Tensor) else None, flow.frame_
        space = getattr(flow.config_.path, "space", None)
        figure = picture(x, labels, columns=frame.columns, class_names=frame.class_names, space=space)
        atomic_write(folder / "figures" / f"step-{step:08d}.png", png(figure))

    return draw
