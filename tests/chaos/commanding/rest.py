"""The end of a history: everything is let go, comes to its end, and is judged as a whole."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from chaos.commanding.runs import ENDS

if TYPE_CHECKING:
    from chaos.commanding.person import Person

STEP = 2_000_000
"""Microseconds between the moments of ticks."""
FINISHED = {"completed", "cached"}
_ROWS = "SELECT moment, until, outcome, run_id, reason, decided_at FROM occurrences WHERE schedule_id = ?"


def come_to_rest(person: "Person") -> None:
    """Let everything end, stop the daemon, and hold the whole history against what is known."""
    world = person.world
    world.let_go("all")
    for uid in person.runs.held():
        person.runs[uid].is_held = False
    if not person.is_up:
        person.bring_up(world.tell("start"))
    if "ticks" in person.folder.holders:
        assert world.tell("pause", "ticks").code == 0
        person.folder.paused.add("ticks")
    world.soon(lambda: _still_going(person))
    person.what_is_listed_is_what_was_told()
    assert (open_ends := [run for run in person.runs.last_seen.values() if run["state"] not in ENDS]) == []
    status = world.read("status")
    assert not (held := [limit for limit in status["limits"] if limit["held"]]), f"slots are still held: {held}"
    examined = world.read("doctor")
    assert examined["errors"] == 0, examined
    assert world.tell("stop").code == 0, open_ends
    person.is_up = False
    log = world.state / "logs" / "daemon.log"
    assert "Traceback" not in (text := log.read_text()), text[-3000:]
    wrong = [*_database(person), *_moments(person), *_effects(person), *_journals(person)]
    assert not wrong, wrong


def _still_going(person: "Person") -> str:
    status = person.world.read("status")
    going = [run["id"] for run in person.world.read("runs", "-n", "100000") if run["state"] not in ENDS]
    return f"{going} {status}" if going or status["active_runs"] or status["queued_runs"] else ""


def _database(person: "Person") -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{person.world.state}/history.db?mode=ro", uri=True)) as connection:
        for pragma in ("integrity_check", "foreign_key_check"):
            told = connection.execute(f"PRAGMA {pragma}").fetchall()
            if told not in ([], [("ok",)]):
                yield f"{pragma}: {told[:5]}"
        for uid, name, state in connection.execute(
            "SELECT r.uid, t.name, t.state FROM task_runs t JOIN runs r ON r.id = t.run_id"
        ):
            if state not in ENDS:
                yield f"the task {name} of {uid} is {state}"


def _moments(person: "Person") -> Iterator[str]:
    """Each moment that a schedule is accountable for has one row, and at most one run."""
    with closing(sqlite3.connect(f"file:{person.world.state}/history.db?mode=ro", uri=True)) as connection:
        schedules = connection.execute("SELECT id, created_at, cursor, removed_at FROM schedules").fetchall()
        for key, created, cursor, removed in schedules:
            found: Counter[int] = Counter()
            for moment, until, outcome, run, reason, decided in connection.execute(_ROWS, (key,)):
                found.update(range(moment, (until or moment) + 1, STEP))
                if not reason or (outcome not in ("ran", "late", "coalesced") and run is not None):
                    yield f"the moment {moment} is {outcome}, with the run {run} and the reason {reason!r}"
                if outcome != "paused" and any(since < decided < end for since, end in person.pauses.get("ticks", ())):
                    yield f"the moment {moment} is {outcome}, decided at {decided} while ticks was paused"
            if twice := [moment for moment, times in found.items() if times > 1]:
                yield f"moments with several rows: {twice[:5]}"
            expected = range((created // STEP + 1) * STEP, cursor + 1, STEP)
            if removed is None and "ticks" not in person.has_been_absent and set(expected) - set(found):
                yield f"moments without a row: {sorted(set(expected) - set(found))[:5]}"
            runs = "SELECT scheduled_for FROM runs WHERE schedule_id = ? AND \"trigger\" = 'schedule'"
            made = Counter(at for (at,) in connection.execute(runs, (key,)))
            if twice := [moment for moment, times in made.items() if times > 1]:
                yield f"moments with several runs: {twice[:5]}"


def _effects(person: "Person") -> Iterator[str]:
    """A task whose completion is recorded is not executed again by a retry."""
    file = person.world.place / "effects"
    done: dict[str, Counter[str]] = defaultdict(Counter)
    for line in file.read_text().splitlines() if file.exists() else ():
        uid, what = line.split(" ")
        done[uid][what] += 1
    for uid, run in person.runs.known.items():
        if any(times > 1 for times in done[uid].values()):
            yield f"the run {uid} executed a task more than once: {dict(done[uid])}"
        if run.flow != "steps" or run.parent is None or run.is_pruned or run.parent not in person.runs.last_seen:
            continue
        taken = {task["name"] for task in person.world.read("show", run.parent)["tasks"] if task["state"] in FINISHED}
        names = ["first", "second", "third"]
        if run.begin is not None:
            taken -= set(names[names.index(run.begin) :])
        if again := taken & set(done[uid]):
            yield f"the retry {uid} executed {again}, which had finished in {run.parent}"


def _journals(person: "Person") -> Iterator[str]:
    """Whole lines, nothing behind the end, and each belongs to a run of the history."""
    for path in sorted(person.world.state.glob("journals/??/*.journal")):
        *lines, _ = path.read_bytes().split(b"\n")
        names = [json.loads(line)[0] for line in lines]
        if "run_ended" in names[:-1]:
            yield f"{path.name} goes on after its end"
        if path.stem not in person.runs.last_seen:
            yield f"{path.name} belongs to no run of the history"
