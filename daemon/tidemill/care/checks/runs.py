"""Runs that are shown as going on: each has a process, or gets its end."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from tidemill.care.findings import Finding, Site, error, note
from tidemill.domain.errors import HistoryError
from tidemill.domain.runs import ProcessName
from tidemill.history.reading import open_reading
from tidemill.history.retention import UNFINISHED
from tidemill.journal.processes import is_alive

PATIENCE: Final = 2.5
"""Seconds within which the daemon shows a dead run as crashed, and some."""
_LIVE: Final = (
    f"SELECT uid, state, pid, start_time, boot_id FROM runs WHERE {UNFINISHED} AND root_id IS NULL ORDER BY queued_at"
)


def look_at_live_runs(site: Site) -> Iterator[Finding]:
    """Look for the processes of the runs that have no end."""
    if site.is_file and not site.paths.database.exists():
        return
    try:
        with closing(open_reading(site.address)) as reading:
            rows = reading.rows(_LIVE)
            dead = {str(row[0]) for row in _dead(rows)}
            if dead and site.status is not None:
                time.sleep(PATIENCE)  # what died a moment ago is being judged
                dead &= {str(row[0]) for row in _dead(reading.rows(_LIVE))}
    except HistoryError:
        return
    if dead and site.status is not None:
        first = min(dead)
        yield error(
            f"{len(dead)} runs are shown as going on ({first}) and their processes are gone; "
            "restart the daemon, which judges them: tidemill restart"
        )
    elif dead:
        yield note(f"{len(dead)} runs ended while no daemon served; the next start of one tells how")
    living = sum(row[2] is not None for row in rows) - len(dead)
    waiting = sum(row[2] is None for row in rows)
    if site.status is None and (living > 0 or waiting):
        yield note(f"{living} runs go on and {waiting} wait, and no daemon serves: tidemill start")


def _dead(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [
        row
        for row in rows
        if row[2] is not None and not is_alive(ProcessName(int(str(row[2])), int(str(row[3])), str(row[4])))
    ]
