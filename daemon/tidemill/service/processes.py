"""Which process a run has, as its own journal tells."""

import os
from contextlib import suppress
from pathlib import Path

from tidemill.domain.events import RunStarted
from tidemill.domain.runs import ProcessName
from tidemill.journal.processes import name_process
from tidemill.journal.reader import JournalReader


def process_of(journal: Path | str) -> ProcessName | None:
    """Return the process of the run whose *journal* this is.

    The journal's first line names it. Until that is written the process that made the file holds it open, so a
    journal that is empty and held by nobody belongs to a process that has died. Raises OSError where that cannot be
    learned, as with too many open files.
    """
    reader = JournalReader(journal)
    try:
        events, _ = reader.read()
    finally:
        reader.close()
    for event in events:
        if isinstance(event, RunStarted):
            return ProcessName(event.pid, event.start_time, event.boot_id)
    return _holder_of(journal)


def _holder_of(journal: Path | str) -> ProcessName | None:
    """Look through the open files of all processes of ours: milliseconds, for a case that is seldom."""
    try:
        wanted = os.stat(journal)  # noqa: PTH116 - text as often as not
    except OSError:
        return None
    for pid in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if not pid.isdecimal() or int(pid) == os.getpid():
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for fd in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with suppress(OSError):
                    if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), wanted):  # noqa: PTH116
                        return name_process(int(pid))
    return None
