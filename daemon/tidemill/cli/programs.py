"""Programs of ours that a command starts: the daemon, the inspection, a run in this terminal."""

import sys

from tidemill.cli.invocation import Invocation


def program(module: str, *arguments: str, invocation: Invocation | None = None) -> list[str]:
    """Return the command line of *module*, with the options before the command handed on.

    ``-P`` keeps the current folder out of the import path: a file there must not stand in for a module.
    """
    options = invocation.options if invocation is not None else []
    return [sys.executable, "-P", "-m", module, *options, *arguments]
