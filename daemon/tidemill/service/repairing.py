"""Setting right what an examination finds, where no daemon serves."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

from tidemill.care.footprint import remove_run_files, sync_removals
from tidemill.care.mending import Mending, is_damaged
from tidemill.care.walking import walk
from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.domain.errors import TidemillError
from tidemill.history.database import Database, open_database
from tidemill.history.reading import open_reading
from tidemill.history.recorder import Recorder
from tidemill.history.removing import RunKey
from tidemill.history.retention import known_runs
from tidemill.history.writing import Writer
from tidemill.journal.processes import is_alive
from tidemill.service.local_runs import record_local_run
from tidemill.service.opening import judge
from tidemill.service.processes import process_of

GRACE: Final = 3600
"""Seconds for which files without a run are left alone."""

log = logging.getLogger(__name__)


def repair(settings: Settings, paths: StatePaths) -> Iterator[str]:
    """Repair one thing after the other, and give a sentence for each that was. The state directory is locked."""
    address = settings.places.database_url or paths.database
    yield from _take_rights_away(paths, passable=bool(settings.control.allow_uids))
    mending = Mending(paths, judge, time.time_ns() // 1000)
    if address == paths.database:
        if mending.is_missing():
            yield mending.make_again()
        elif paths.database.exists() and is_damaged(paths.database, thoroughly=True):
            yield mending.mend_damage()
    database = open_database(address)
    told = mending.bring_back(database)
    if told is not None:
        yield told
    recorder = Recorder(database)
    recorder.start()
    try:
        yield from _record_terminals(recorder, paths)
        yield from _stand_within(recorder, paths)
        yield from _remove_leftovers(recorder, database, paths)
    finally:
        recorder.stop()
    with suppress(OSError):
        paths.pid_file.unlink()


def _take_rights_away(paths: StatePaths, *, passable: bool) -> Iterator[str]:
    """Leave the state directory to its owner alone."""
    changed = 0
    root = paths.root
    wanted = 0o711 if passable else 0o700
    if root.stat().st_mode & 0o777 & ~wanted:
        root.chmod(wanted)
        changed += 1
    for path in root.iterdir():
        mode = path.lstat().st_mode
        if mode & 0o077 and not path.is_symlink() and not path.is_socket():
            path.chmod(mode & 0o700)
            changed += 1
        if path.name.startswith(".probe"):
            path.unlink(missing_ok=True)
    if changed:
        yield f"{changed} files and folders of {root} are their owner's alone again"


def _record_terminals(recorder: Recorder, paths: StatePaths) -> Iterator[str]:
    """Record the runs of terminals that were ended before they could have it done."""
    recorded = 0
    for shard in walk(paths):
        for uid, traces in shard.runs.items():
            if not traces.has_order or _lives(paths.journal(uid)):
                continue
            try:
                record_local_run(recorder, paths, uid)
                recorded += 1
            except TidemillError as error:
                log.error("the run %s of a terminal cannot be recorded: %s", uid, error)
    if recorded:
        yield f"{recorded} runs that were made in a terminal are recorded"


def _lives(journal: Path) -> bool:
    process = process_of(journal)
    return process is not None and is_alive(process)


def _stand_within(recorder: Recorder, paths: StatePaths) -> Iterator[str]:
    """Stand at the end of journals that are shorter than what was read of them."""
    shorter: list[tuple[int, str]] = []
    for shard in walk(paths):
        sizes = [(traces.journal, uid) for uid, traces in shard.runs.items() if traces.journal is not None]
        shorter += recorder.call(partial(_too_far, sizes=sizes))
    if shorter:
        recorder.call(lambda writer: writer.execute_all("UPDATE runs SET journal_offset = ? WHERE uid = ?", shorter))
        yield f"{len(shorter)} journals that were cut are read on from their ends"


def _too_far(writer: Writer, sizes: list[tuple[int, str]]) -> list[tuple[int, str]]:
    sql = "SELECT 1 FROM runs WHERE uid = ? AND journal_offset > ? AND journal IS NULL"
    return [(size, uid) for size, uid in sizes if writer.row(sql, (uid, size))]


def _finish(writer: Writer, run: RunKey) -> bool:
    return writer.finish_removal(run, lambda: True)


def _remove_leftovers(recorder: Recorder, database: Database, paths: StatePaths) -> Iterator[str]:
    """Remove the files of removed runs, and logs and results that belong to no run."""
    halves, uids = recorder.call(lambda writer: writer.load_removals())
    for half in halves:
        while not recorder.call(partial(_finish, run=half)):
            pass
        uids.append(half[1])
    freed = sum(remove_run_files(paths, uid) for uid in uids)
    sync_removals(paths, uids)
    recorder.call(lambda writer: writer.forget_removals(uids))
    count, young = len(uids), (time.time() - GRACE) * 1e6
    with closing(open_reading(_address(database))) as reading:
        for shard in walk(paths):
            for uid in sorted(shard.runs.keys() - known_runs(reading, shard.prefix)):
                traces = shard.runs[uid]
                if traces.journal is None and not traces.has_order and traces.touched < young:
                    freed += remove_run_files(paths, uid)
                    count += 1
    if count:
        yield f"what {count} runs had left is removed ({freed:,} bytes)"


def _address(database: Database) -> Path | str:
    return database.path or database.engine.url.render_as_string(hide_password=False)
