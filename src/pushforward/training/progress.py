"""The progress bar of a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(start: int, total: int, *, show: bool) -> Iterator[Callable[[int, float | None], None]]:
    """Yields `update(step, loss)`, cheap enough for every step: it draws at most twice a second.

    Goes to stderr; where that is no terminal one line is left at the end.

    Args:
        start: Steps already made.
        total: Steps in all.
        show: False yields a function that does nothing.
    """
    if not show:
        yield lambda step, loss: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    drawn = time.perf_counter()
    begun, known = drawn, None
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("training", total=total, completed=start, pace="")

        def update(step: int, loss: float | None) -> None:
            nonlocal drawn, known
            known = known if loss is None else loss
            now = time.perf_counter()
            if now - drawn > 0.5 or step == total:
                drawn = now
                rate = (step - start) / max(now - begun, 1e-9)
                pace = f"{rate:.0f} steps/s" + ("" if known is None else f", loss {known:.4g}")
                progress.update(task, completed=step, pace=pace, refresh=True)

        yield update
