"""The command line: arguments and files in, lower rooms do the work, one clear line for each mistake.

Nothing here computes. Torch is imported inside the commands, so that `pushforward --help` answers at once.
"""

from pushforward.cli.app import main

__all__ = ["main"]
