"""What run processes and inspections do in the tests of the fork server, in place of the engine.

The order's flow, or the file's text, says what: one small Python statement.
"""

import os
import time
from pathlib import Path

from tidemill.domain.events import RunEnded, RunStarted
from tidemill.domain.manifests import FileManifest, FlowManifest
from tidemill.domain.runs import InspectionOrder, RunOrder
from tidemill.journal.processes import birth, boot_id
from tidemill.journal.writer import JournalWriter


def run(order: RunOrder, journal_fd: int, log_fd: int, hint_fd: int | None) -> None:
    journal = JournalWriter(journal_fd, hint_fd)
    at = time.time_ns() // 1000
    journal.write(RunStarted(at, os.getpid(), birth(os.getpid()) or 0, boot_id()))
    given = {
        "order": order,
        "journal": journal,
        "journal_fd": journal_fd,
        "log_fd": log_fd,
        "hint_fd": hint_fd,
    }
    exec(order.flow, given)
    journal.write(RunEnded(time.time_ns() // 1000, "completed"))


def rehearse() -> None:
    exec(os.environ.get("TEST_REHEARSAL", "pass"), {})


def inspect(order: InspectionOrder) -> FileManifest:
    text = Path(order.source or order.path).read_text()
    names: dict[str, object] = {}
    exec(compile(text, order.path, "exec"), names)
    return FileManifest(order.path, "digest", flows=(FlowManifest(str(names.get("name", "flow")), "graph"),))
