"""Journals and rows: each run that has one has the other, and neither tells of more than the other could know."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidemill.care.findings import Finding, Site, error, note, warning
from tidemill.care.walking import Shard, Traces, walk
from tidemill.domain.errors import HistoryError
from tidemill.history.reading import Reading, Row, open_reading
from tidemill.history.retention import UNFINISHED, known_runs

GRACE: Final = 60 * 1_000_000
"""Microseconds for which files may be ahead of their rows: a run is going on."""
_ROWS: Final = (
    "SELECT uid, journal_offset, started_at, finished_at, journal FROM runs"
    " WHERE uid >= :prefix AND uid < :behind AND root_id IS NULL"
)
_ENDED: Final = (
    "SELECT COUNT(*) FROM runs WHERE root_id IS NULL AND journal IS NULL"
    " AND started_at IS NOT NULL AND finished_at IS NOT NULL"
)


@dataclass(slots=True)
class Tally:
    """What is counted on the way through all runs."""

    unknown: int = 0
    orders: int = 0
    leftovers: int = 0
    leftover_size: int = 0
    shorter: int = 0
    lost: int = 0
    gone: int = 0
    torn: int = 0
    told: int = 0
    bare: int = 0
    an_unknown: str = ""
    a_shorter: str = ""
    a_lost: str = ""


def look_at_journals(site: Site) -> Iterator[Finding]:
    """Compare the files of all runs with their rows."""
    if not site.paths.root.is_dir() or (site.is_file and not site.paths.database.exists()):
        return
    tally = Tally()
    try:
        with closing(open_reading(site.address)) as reading:
            for shard in walk(site.paths):
                _compare(site, reading, shard, tally)
            tally.gone += _without_files(site, reading)
            tally.bare = max(0, int(reading.rows(_ENDED)[0][0]) - tally.told)
    except HistoryError:
        return  # which is told where the history is looked at
    yield from _tell(site, tally)


def _compare(site: Site, reading: Reading, shard: Shard, tally: Tally) -> None:
    asked = {"prefix": shard.prefix, "behind": shard.prefix + "{"}
    rows = {str(row[0]): row for row in reading.rows(_ROWS, asked)}
    known = known_runs(reading, shard.prefix)
    for uid, traces in shard.runs.items():
        row = rows.get(uid)
        if row is not None:
            _compare_one(site, uid, traces, row, tally)
        elif uid not in known and traces.touched < site.now - GRACE:
            _note_unknown(uid, traces, tally)


def _compare_one(site: Site, uid: str, traces: Traces, row: Row, tally: Tally) -> None:
    _, offset, started, finished, journal = row
    if journal is not None and Path(str(journal)) != site.paths.journal(uid):
        return
    if traces.journal is None:
        if started is not None and finished is None:
            tally.lost, tally.a_lost = tally.lost + 1, uid
        return
    tally.told += started is not None and finished is not None
    if traces.journal < int(offset):
        tally.shorter, tally.a_shorter = tally.shorter + 1, uid
    elif (
        traces.journal > int(offset)
        and finished is not None
        and not _ends_well(site.paths.journal(uid), traces.journal)
    ):
        tally.torn += 1


def _note_unknown(uid: str, traces: Traces, tally: Tally) -> None:
    if traces.has_order:
        tally.orders += 1
    elif traces.journal is not None:
        tally.unknown, tally.an_unknown = tally.unknown + 1, uid
    else:
        tally.leftovers += 1
        tally.leftover_size += traces.size


def _without_files(site: Site, reading: Reading) -> int:
    """Count the live runs that have no files at all, so that no shard tells of them."""
    live = f"SELECT uid FROM runs WHERE {UNFINISHED} AND root_id IS NULL"
    rows = reading.rows(f"{live} AND started_at IS NOT NULL AND journal IS NULL")
    return sum(not site.paths.journal(str(uid)).exists() for (uid,) in rows)


def _ends_well(journal: Path, size: int) -> bool:
    """Tell whether the last line of the journal is whole."""
    try:
        handle = os.open(journal, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return os.pread(handle, 1, size - 1) == b"\n"
    finally:
        os.close(handle)


def _tell(site: Site, tally: Tally) -> Iterator[Finding]:
    if tally.unknown:
        yield error(
            f"the history does not know {tally.unknown} runs that have journals ({tally.an_unknown}): it was lost, or"
            " put back from an older day; they can be brought back",
            repairable=True,
        )
    if tally.orders:
        yield warning(f"{tally.orders} runs that were made in a terminal were never recorded", repairable=True)
    if tally.shorter:
        yield warning(
            f"{tally.shorter} journals ({tally.a_shorter}) are shorter than what was read of them: a power cut took"
            " their ends, or somebody cut them; what is recorded stays",
            repairable=True,
        )
    if tally.gone or tally.lost:
        who = f" ({tally.a_lost})" if tally.a_lost else ""
        count = max(tally.gone, tally.lost)
        yield error(f"{count} runs are going on{who} and their journals are gone: nothing tells how they end")
    if tally.torn:
        yield note(
            f"{tally.torn} journals end in the middle of a line, which their processes died writing; it is left out"
        )
    if tally.bare:
        yield note(f"{tally.bare} runs that ended have no journal any more: were the history lost, they would be too")
    if tally.leftovers:
        yield warning(
            f"{tally.leftovers} runs are not in the history and have left logs or results"
            f" ({tally.leftover_size:,} bytes)",
            repairable=True,
        )
