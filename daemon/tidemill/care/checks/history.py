"""The history: whether it can be opened, whether it is sound, and whether it is this program's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from tidemill.care.evidence import unrecorded
from tidemill.care.findings import Finding, Site, error, note, warning
from tidemill.domain.errors import HistoryError
from tidemill.history.migrations import LATEST, VERSIONS
from tidemill.history.problems import is_damage
from tidemill.history.reading import connect_to_read, open_reading

SAFE: Final = (3, 51, 3)
BACKPORTS: Final = frozenset({(3, 44, 6), (3, 50, 7)})
BROKEN_SINCE: Final = (3, 7, 0)
"""From this version of SQLite to the one before *SAFE* two connections that write at once may damage a WAL."""


def look_at_history(site: Site) -> Iterator[Finding]:
    """Look at the history; of a file all pages are read."""
    if not site.is_file:
        yield from _look_at_server(site)
        return
    path = site.paths.database
    if not path.exists():
        yield from _missing(site)
        return
    yield from _names(path)
    try:
        with closing(connect_to_read(path)) as connection:
            yield from _soundness(path, connection)
            yield from _schema(path, connection)
            yield from _keys(connection)
    except sqlite3.Error as problem:
        yield error(f"the history {path} is damaged or cannot be read: {problem}", repairable=is_damage(problem))
    except HistoryError as problem:
        cause = problem.__cause__
        yield error(str(problem), repairable=cause is not None and is_damage(cause))
    version = sqlite3.sqlite_version_info
    if BROKEN_SINCE <= version < SAFE and version not in BACKPORTS:
        yield note(
            f"this Python has SQLite {sqlite3.sqlite_version}, in which two programs that write a file at once may"
            " damage it (mended in 3.51.3); tidemill has one writer only, so let no other program write history.db"
        )


def _missing(site: Site) -> Iterator[Finding]:
    from tidemill.care.walking import walk

    journals = sum(traces.journal is not None for shard in walk(site.paths) for traces in shard.runs.values())
    if journals:
        yield error(
            f"the history {site.paths.database} is missing, and there are journals of {journals} runs; the next start"
            " of the daemon makes it again from them, or --repair does",
            repairable=True,
        )
    else:
        yield note(f"there is no history at {site.paths.database} yet; a daemon makes it: tidemill start")


def _names(path: Path) -> Iterator[Finding]:
    if path.is_symlink():
        yield note(f"{path} is a link to {path.resolve()}")
    if path.stat().st_nlink > 1:
        yield error(
            f"{path} has another name as well (a hard link): a program that opens it by that one does not see its log"
            " and damages it; remove the other name"
        )


def _soundness(path: Path, connection: sqlite3.Connection) -> Iterator[Finding]:
    problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)").fetchall()]
    if problems != ["ok"]:
        told = "; ".join(" ".join(problem.split()) for problem in problems[:2])
        yield error(f"the history {path} is damaged: {told}", repairable=True)
        return
    orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(1000)
    if orphans:
        tables = ", ".join(sorted({str(row[0]) for row in orphans}))
        yield error(f"{len(orphans)} rows of the history ({tables}) refer to rows that are not there", repairable=True)


def _schema(path: Path, connection: sqlite3.Connection) -> Iterator[Finding]:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in tables:
        if tables:
            yield error(f"{path} is a database of something else; name another state directory")
        return
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    version = str(row[0]) if row else ""
    if version not in VERSIONS:
        yield error(f"the history was written by a newer tidemill (schema {version}); upgrade this program")
    elif version != LATEST:
        yield note(f"the history has schema {version}; the next start of the daemon brings it to {LATEST}")
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 0:
        yield warning(f"{path} cannot shrink; stop the daemon and call: tidemill prune --compact")


def _keys(connection: sqlite3.Connection) -> Iterator[Finding]:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "removals" in tables and (left := connection.execute("SELECT COUNT(*) FROM removals").fetchone()[0]):
        yield note(f"{left} removed runs still have files; the next pruning takes them", repairable=True)


def _look_at_server(site: Site) -> Iterator[Finding]:
    try:
        with closing(open_reading(site.address)) as reading:
            version = str(reading.rows("SELECT version_num FROM alembic_version")[0][0])
            if version not in VERSIONS:
                yield error(f"the history was written by a newer tidemill (schema {version}); upgrade this program")
            missing = sum(1 for _ in unrecorded(reading, site.paths)) if site.paths.root.is_dir() else 0
    except HistoryError as problem:
        yield error(str(problem))
        return
    if missing:
        yield error(
            f"the history does not know {missing} runs that have journals in {site.paths.root}", repairable=True
        )
