"""Which of several processes writes files."""

import os

__all__ = ["main_process"]


def main_process() -> bool:
    """Whether this process is the one that writes: the only one, or the first of those that a launcher started."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
