"""What can still be read of a damaged history, row by row, into a new one.

SQLite stops at the first page that makes no sense; here the reading goes on behind it. What is lost is lost in
keys that lie next to each other, and the journals know most of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tidemill.domain.errors import HistoryError
from tidemill.domain.states import State
from tidemill.history.reading import Row, connect_to_read
from tidemill.history.steps import listed

TABLES: Final = (
    "meta", "sources", "versions", "files", "flows", "schedules", "occurrences", "runs", "run_events", "task_runs",
    "attempts", "results", "removals",
)  # fmt: skip
"""All but what is made anew by itself, each behind those it refers to."""
TOLD: Final = frozenset(
    {
        "sources",
        "versions",
        "flows",
        "schedules",
        "occurrences",
        "runs",
        "run_events",
        "task_runs",
        "attempts",
        "results",
    }
)
"""What journals tell something of as well."""
_MERE_KEYS: Final = (("version_id", "versions"), ("schedule_id", "schedules"), ("parent_id", "runs"))
"""What a run refers to without the database watching over it."""
_TOGETHER: Final = 500
_BEYOND: Final = 1 << 62
"""No key is as large."""
_LEAPS: Final = 61
"""Leaps, each twice as far as the one before, that lead from one end of the keys to the other."""


@dataclass(slots=True)
class Salvage:
    """What was found."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each table that were read."""
    damaged: set[str] = field(default_factory=set)
    """Tables of which something could not be read."""


def salvage(damaged: Path, fresh: Path) -> Salvage:
    """Copy what can be read of the history *damaged* into the empty one *fresh*, without what refers to nothing now.

    Raises sqlite3.Error where *fresh* cannot be written.
    """
    found = Salvage()
    with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute("BEGIN")
        for table in TABLES:
            found.rows[table] = 0
            for names, rows in _batches(damaged, table, set(_columns(target, table)), found):
                # A row that lacks what it must have, or stands there twice, is none.
                insert = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
                found.rows[table] += target.executemany(insert, rows).rowcount
        _drop_nonsense(target)
        _drop_orphans(target)
        target.execute("COMMIT")
    return found


def _batches(damaged: Path, table: str, wanted: set[str], found: Salvage) -> Iterator[tuple[list[str], list[Row]]]:
    """Give what can be read of a table, some rows at a time, with the columns that both histories have."""
    try:
        with closing(connect_to_read(damaged)) as source:
            source.text_factory = lambda data: data.decode("utf-8", "replace")
            names = [name for name in _columns(source, table) if name in wanted]
            if not names:
                return
            rows = _rows(source, table, names, found)
            while batch := list(islice(rows, _TOGETHER)):
                yield names, batch
    except (sqlite3.Error, HistoryError):
        found.damaged.add(table)


def _rows(source: sqlite3.Connection, table: str, names: list[str], found: Salvage) -> Iterator[Row]:
    """Give the rows by their keys; behind what cannot be read, go on with the next key that can."""
    keys = _keys(source, table)
    key = ", ".join(keys)
    hint = " NOT INDEXED" if keys == ["rowid"] else ""  # where rows have no number of their own, an index holds them
    sql = f"SELECT {key}, {', '.join(names)} FROM {table}{hint} WHERE ({key}) >= ({', '.join('?' * len(keys))})"
    place = Place(len(keys))
    while place.is_within:
        try:
            for row in source.execute(f"{sql} ORDER BY {key}", place.begin):
                place.seen(row[: len(keys)])
                yield row[len(keys) :]
        except (sqlite3.DatabaseError, ValueError, TypeError):
            found.damaged.add(table)
            place.leap()
        else:
            return


class Place:
    """Where the reading of a table goes on: behind the last row, then further and further from it."""

    def __init__(self, width: int) -> None:
        self._last = (0,) * (width - 1) + (-2,)
        self._leaps = 0
        self.begin: tuple[int, ...] = (-_BEYOND,) * width

    @property
    def is_within(self) -> bool:
        """Tell whether there may be more."""
        return self.begin[0] < _BEYOND

    def seen(self, key: tuple[Any, ...]) -> None:
        """Note a row that was read; never back, or the reading of a table whose order is damaged would not end."""
        here = tuple(map(int, key))
        if here > self._last:
            self._last, self._leaps = here, 0

    def leap(self) -> None:
        """Go on behind what could not be read: first among the rows of the same first key, then behind those."""
        step = 1 << (self._leaps % _LEAPS)
        if len(self._last) > 1 and self._leaps < _LEAPS:
            self.begin = (*self._last[:-1], self._last[-1] + step)
        elif len(self._last) > 1:
            self.begin = (self._last[0] + step, *(-_BEYOND,) * (len(self._last) - 1))
        else:
            self.begin = (self._last[0] + step,)
        self._leaps += 1
        if self._leaps > 2 * _LEAPS or (len(self._last) == 1 and self._leaps > _LEAPS):
            self.begin = (_BEYOND,) * len(self._last)


def _keys(source: sqlite3.Connection, table: str) -> list[str]:
    """Return the numbers by which a table is ordered."""
    info = source.execute(f"PRAGMA table_info({table})").fetchall()
    try:
        source.execute(f"SELECT rowid FROM {table} LIMIT 0").fetchall()
    except sqlite3.OperationalError:
        return [str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]][:2]
    return ["rowid"]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]


def _drop_nonsense(target: sqlite3.Connection) -> None:
    """Drop what can be read and means nothing: nobody may stumble over it later."""
    target.execute(f"DELETE FROM runs WHERE state NOT IN ({listed(State)}) OR typeof(queued_at) <> 'integer'")
    target.execute(f"DELETE FROM task_runs WHERE state NOT IN ({listed(State)})")
    target.execute("UPDATE runs SET parameters = NULL WHERE parameters IS NOT NULL AND NOT json_valid(parameters)")
    target.execute("UPDATE flows SET manifest = NULL WHERE manifest IS NOT NULL AND NOT json_valid(manifest)")
    target.execute("UPDATE flows SET manifest = NULL, active = 0 WHERE active = 1 AND manifest IS NULL")
    target.execute("DELETE FROM schedules WHERE NOT json_valid(spec) OR typeof(cursor) <> 'integer'")
    target.execute("DELETE FROM versions WHERE NOT json_valid(sources)")
    target.execute("DELETE FROM files WHERE NOT json_valid(errors) OR NOT json_valid(warnings)")
    for table in ("runs", "task_runs", "attempts"):
        target.execute(
            f'UPDATE {table} SET error = \'["Lost", "", null]\' WHERE error IS NOT NULL AND NOT json_valid(error)'
        )


def _drop_orphans(target: sqlite3.Connection) -> None:
    """Drop rows that refer to rows that are lost; where they may refer to none, they stay and do."""
    for table in (*TABLES, *TABLES):  # a run may be lost with its root, which is a run too
        nullable = {row[1] for row in target.execute(f"PRAGMA table_info({table})") if not row[3]}
        for _, _, parent, column, key, _, on_delete, _ in target.execute(
            f"PRAGMA foreign_key_list({table})"
        ).fetchall():
            lost = f"{column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {parent})"
            if column in nullable and on_delete != "CASCADE":
                target.execute(f"UPDATE {table} SET {column} = NULL WHERE {lost}")
            else:
                target.execute(f"DELETE FROM {table} WHERE {lost}")
    for column, parent in _MERE_KEYS:
        target.execute(f"UPDATE runs SET {column} = NULL WHERE {column} NOT IN (SELECT id FROM {parent})")
