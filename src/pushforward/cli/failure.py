"""What becomes of an error: one line, and an exit code."""

import os

import typer

__all__ = ["heard", "told"]


def heard() -> bool:
    """Whether this process says why it failed: those of one machine fail together, and one line is enough."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "SLURM_LOCALID"))


def told(error: Exception) -> tuple[str, int]:
    """The line about an error, and the exit code: 2 for what the user can mend, 1 for a run that failed."""
    if isinstance(error, typer.TyperException):
        return _about_arguments(error), 2
    from pushforward.core.errors import Mendable, RunFailed  # torch comes with it, and help shall not wait for it

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Mendable):
        return text, 2
    if isinstance(error, RunFailed):
        return text, 1
    full = "allocate memory" in text or "calculation overflowed" in text or type(error).__name__ == "OutOfMemoryError"
    if full or isinstance(error, MemoryError):
        return (
            "not enough memory; ask for fewer rows at once (-n, training.batch_size), fewer steps, or a smaller net",
            2,
        )
    if isinstance(error, OSError):
        reason = (error.strerror or text).lower()
        where = error.filename or "a file or a pipe"
        return f"{where}: {reason}; check the path, its permissions and the room on the disk", 2
    return f"{type(error).__name__}: {text}; this should not happen, add --debug to see where", 1


def _about_arguments(error: typer.TyperException) -> str:
    """A mistake in the arguments, with the page of help that lists the right ones."""
    text = " ".join(error.format_message().split()).rstrip(".?").replace(". Did you mean", "; did you mean")
    page = getattr(getattr(error, "ctx", None), "command_path", "pushforward")
    return f"{text[0].lower()}{text[1:]}; see `{page} --help`"
