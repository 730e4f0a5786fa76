"""Which process a run has, as its own journal tells."""

from tidemill.config.paths import StatePaths
from tidemill.domain.events import RunStarted
from tidemill.domain.runs import ProcessName
from tidemill.journal.reader import JournalReader


def process_of(paths: StatePaths, uid: str) -> ProcessName | None:
    """Return the process that a run's journal names, if it came so far."""
    reader = JournalReader(paths.journal(uid))
    try:
        events, _ = reader.read()
    finally:
        reader.close()
    for event in events:
        if isinstance(event, RunStarted):
            return ProcessName(event.pid, event.start_time, event.boot_id)
    return None
