"""Whether the real code opens what a loss of power left, and finds in it all that was told before."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from chaos.losing_power.facts import Facts
from chaos.losing_power.starting import Start, start
from tidemill.care.checks.directory import look_at_directory
from tidemill.care.checks.history import look_at_history
from tidemill.care.checks.journals import look_at_journals
from tidemill.care.findings import Level, Site
from tidemill.config.paths import StatePaths
from tidemill.config.settings import Places, Settings
from tidemill.domain.events import RunNoted
from tidemill.journal.reader import JournalReader

STATE: Final = "state"
"""The state directory, in the folder that was recorded."""
_KEPT_OUT: Final = ("manifest_cache",)


class Examined(NamedTuple):
    """What came of an examination."""

    violations: list[str]
    in_doubt: int = 0
    """Runs that begin anew, for of what they had done nothing was recorded."""
    torn: int = 0
    """Journals that are not what was written to them: ends or lines are missing."""


def examine(root: Path, facts: Facts) -> Examined:
    """Start twice with the state directory below *root*; return everything that is not as it was promised."""
    state = root / STATE
    try:
        first = start(state)
        before = _rows(state)
        second = start(state)
    except Exception as error:
        return Examined([f"it does not open: {type(error).__name__}: {error}"])
    complaints = [] if facts.is_harmed else first.complaints + second.complaints
    found = [f"the daemon complains: {told}" for told in complaints]
    if _rows(state) != before or second.begun != first.begun:
        found.append(f"I8 the second start differs from the first: {_difference(before, _rows(state))}")
    with closing(sqlite3.connect(f"file:{state}/history.db?mode=ro", uri=True)) as history:
        found += _soundness(history)
        found += facts.check(history)
        found += _executions(history, first, facts)
        found += _retries(history, first)
        found += _results(history)
    torn: set[Path] = set()
    found += [*facts.check_backups(root), *_journals(state, torn), *_diagnosis(state)]
    return Examined(found, len(facts.at_work & set(first.begun)), len(torn))


def _soundness(history: sqlite3.Connection) -> Iterator[str]:
    for pragma in ("integrity_check", "foreign_key_check"):
        told = history.execute(f"PRAGMA {pragma}").fetchall()
        if told not in ([], [("ok",)]):
            yield f"I8 {pragma}: {told[:3]}"
    twice = history.execute(
        "SELECT schedule_id, scheduled_for FROM runs WHERE trigger = 'schedule' GROUP BY 1, 2 HAVING count(*) > 1"
    ).fetchall()
    if twice:
        yield f"I3 moments with two runs: {twice[:3]}"


def _executions(history: sqlite3.Connection, begun: Start, facts: Facts) -> Iterator[str]:
    """Nobody begins anew of whom it is recorded that he had begun; and nobody is left without an end but who begins."""
    rows = history.execute("SELECT uid, started_at, finished_at, state FROM runs WHERE root_id IS NULL").fetchall()
    for uid, started_at, finished_at, state in rows:
        if uid in begun.begun and (started_at is not None or uid in facts.begun):
            yield f"I4 the run {uid} had begun, and is executed again"
        if uid not in begun.begun and finished_at is None:
            yield f"I2 the run {uid} is {state} for ever"
    for uid in facts.hooked & set(begun.owed):
        yield f"I4 the hooks of {uid} were called, and are called again"


def _retries(history: sqlite3.Connection, begun: Start) -> Iterator[str]:
    """A retry is told of everything that the run before it had finished."""
    for uid, told in begun.begun.items():
        finished = history.execute(
            "SELECT count(*) FROM runs r JOIN task_runs t ON t.run_id = r.parent_id"
            " WHERE r.uid = ? AND r.trigger = 'retry' AND t.state IN ('completed', 'cached')",
            (uid,),
        ).fetchone()[0]
        lines = Path(told).read_text().splitlines() if told else []
        if finished and len({json.dumps(json.loads(line)) for line in lines}) < finished:
            yield f"I4 the retry {uid} executes again some of the {finished} tasks that were finished"


def _results(history: sqlite3.Connection) -> Iterator[str]:
    """The results of what completed are whole."""
    rows = history.execute(
        "SELECT uid, idx, location, checksum FROM results JOIN runs ON runs.id = run_id"
        " WHERE location IS NOT NULL AND checksum IS NOT NULL"
        " AND (idx = -1 OR (SELECT state FROM task_runs t WHERE t.run_id = results.run_id AND t.idx = results.idx)"
        " IN ('completed', 'cached'))"
    )
    for uid, index, location, checksum in rows.fetchall():
        try:
            is_whole = sha256(Path(location).read_bytes()).hexdigest() == checksum
        except OSError as error:
            yield f"I10 the result {index} of {uid} is lost: {error.strerror} {location}"
        else:
            if not is_whole:
                yield f"I10 the result {index} of {uid} is damaged: {location}"


def _journals(state: Path, torn: set[Path]) -> Iterator[str]:
    """Whatever is in them, they can be read to their ends, and no line is lost without a word."""
    for path in state.glob("journals/??/*.journal"):
        reader = JournalReader(path)
        try:
            events = 0
            while told := reader.read()[0]:
                events += len(told)
                if any(isinstance(event, RunNoted) and "is damaged at byte" in event.note for event in told):
                    torn.add(path)
            *lines, tail = path.read_bytes().split(b"\n")
            if tail:
                torn.add(path)
        except Exception as error:
            yield f"I9 the journal {path.name} cannot be read: {type(error).__name__}: {error}"
            continue
        finally:
            reader.close()
        if events != sum(map(bool, lines)):
            yield f"I9 the journal {path.name} has {len(lines)} lines and tells {events} events"


def _diagnosis(state: Path) -> Iterator[str]:
    """The examination of a person who asks finds nothing wrong any more."""
    settings = Settings(places=Places(state_dir=state, flows_dir=state))
    site = Site(settings, StatePaths(state), None, 0)
    for look in (look_at_directory, look_at_history, look_at_journals):
        for finding in look(site):
            if finding.level is Level.ERROR:
                yield f"doctor: {finding.message}"


def _rows(state: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(f"file:{state}/history.db?mode=ro", uri=True)) as history:
        tables = [name for (name,) in history.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(history.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr)
            for table in tables
            if table not in _KEPT_OUT
        }


def _difference(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        table: [row for row in rows if row not in one.get(table, [])][:2]
        for table, rows in other.items()
        if rows != one.get(table)
    }
