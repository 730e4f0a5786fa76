"""What part of the stack a process plays."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from chaos.killing.stack import identify

FORKED: Final = "child"
"""A child of the fork server of which nobody can see yet what it will be."""


def role_of(pid: int) -> str:
    """Return daemon, forkserver, run, inspection, child, or command."""
    with suppress(OSError):
        process = identify(pid)
        if process is not None and process.kind == FORKED and Path(f"/proc/{pid}/fd/2").readlink() == Path("/dev/null"):
            return "inspection"
        return "command" if process is None else process.kind
    return "command"
