"""Whether a run may still write: the history says so, and its own files when no daemon reads them."""

import os
from pathlib import Path
from typing import Final

from tidemill.cli.invocation import Invocation
from tidemill.cli.states import LIVE

_TAIL: Final = 1 << 16
_LAST_EVENT: Final = b'["run_ended"'


def may_write(invocation: Invocation, uid: str) -> bool:
    """Tell whether the run can still write to its log.

    Without a daemon nobody brings the history up to date, so the end of the journal and the fork server's
    record of exits count as well.
    """
    if invocation.reader.run(uid)["state"] not in LIVE:
        return False
    *_, last = _tail(invocation.paths.journal(uid)).splitlines() or [b""]
    if last.startswith(_LAST_EVENT):
        return False
    return uid.encode() not in _tail(invocation.paths.exits)


def _tail(path: Path) -> bytes:
    """Return the end of a file; nothing, where there is none."""
    try:
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL, 0))
            return file.read()
    except OSError:
        return b""
