"""The judgement: what the history says against what happened, and against schedules computed another way."""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing

from chaos.simulation.flows import moments
from chaos.simulation.promises import promised
from tidemill.domain.events import TaskEnded, TaskRetrying, TaskStarted
from tidemill.journal.format import encode

TERMINAL = {"completed", "failed", "crashed", "cancelled", "timed_out"}
FORSAKEN = {"crashed": "crashed", "cancelled": "cancelled", "timed_out": "timed_out"}


class Violation(AssertionError):
    """A promise was broken."""


def judge(world):
    """Raise Violation with the first promise that does not hold."""
    with closing(sqlite3.connect(f"file:{world.paths.database}?mode=ro", uri=True)) as history:
        _sound(history)
        must(not world.opened, f"the history was opened by hand: {world.opened[:3]}")
        _ledger(world, history)
        _runs(world, history)
        world.backfills.judge(history)
        _nothing_left(world.life)


def must(holds, text):
    """Raise Violation with *text* unless it *holds*."""
    if not holds:
        raise Violation(text)


def _sound(history):
    answer = history.execute("PRAGMA integrity_check").fetchall()
    must(answer == [("ok",)], f"I8: {answer[:3]}")
    strays = history.execute("PRAGMA foreign_key_check").fetchall()
    must(not strays, f"I8: foreign keys: {strays[:3]}")


def _ledger(world, history):
    """I3: every moment has one row, and no row is without its moment; a run for a moment is the only one."""
    rows = defaultdict(list)
    for schedule_id, moment, until, count, outcome, run_id, into, decided in history.execute(
        "SELECT schedule_id, moment, until, count, outcome, run_id, coalesced_into, decided_at FROM occurrences"
        " ORDER BY schedule_id, moment"
    ):
        rows[schedule_id].append((moment, until or moment, count, outcome, run_id, into, decided))
        must((run_id is not None) == (outcome in ("ran", "late")), f"I3: {outcome} with run {run_id}")
    for schedule_id, (text, epochs) in world.epochs.items():
        spec = json.loads(text)
        found, at_moments = _spread(schedule_id, spec, rows[schedule_id])
        world.stats["moments"] += len(found)
        for low, high in promised(epochs, world.looks, world.hours, int(world.jitter[schedule_id] * 1_000_000)):
            expected = moments(spec["kind"], spec["expression"], low, high)
            missing = [moment for moment in expected if moment not in found]
            must(
                not missing,
                f"I3: schedule {schedule_id} ({spec['expression']}) has no row for {missing[:5]}"
                f" of ({low}, {high}], {len(missing)} in all",
            )
        for moment, until, _, outcome, run_id, _, decided in rows[schedule_id]:
            look = None if run_id is not None else world.looks.contradiction(until, decided)
            must(
                look is None,
                f"I3: {outcome} stands for moments from {moment} to {until}, decided at {decided}, of schedule"
                f" {schedule_id}, and stood there when a daemon looked at {look}",
            )
        for moment, (outcome, into) in at_moments.items():
            if outcome == "coalesced":
                must(into in found, f"I3: {moment} was coalesced into {into}, which has no row")
    twice = history.execute(
        "SELECT schedule_id, scheduled_for, COUNT(*) FROM runs WHERE trigger = 'schedule'"
        " GROUP BY 1, 2 HAVING COUNT(*) > 1"
    ).fetchall()
    must(not twice, f"I3: several runs for one moment: {twice[:3]}")
    alone = history.execute(
        "SELECT uid FROM runs r WHERE trigger = 'schedule' AND NOT EXISTS (SELECT 1 FROM occurrences o"
        " WHERE o.run_id = r.id AND o.moment = r.scheduled_for AND o.schedule_id = r.schedule_id)"
    ).fetchall()
    must(not alone, f"I3: runs without their moment: {alone[:3]}")


def _spread(schedule_id, spec, rows):
    """Return all moments that the rows stand for, none of them twice, and the rows of single moments."""
    found, single = set(), {}
    for moment, until, count, outcome, _, into, _ in rows:
        covered = list(moments(spec["kind"], spec["expression"], moment - 1, until))
        must(covered and covered[0] == moment, f"I3: schedule {schedule_id} has a row for {moment}, when it is not due")
        must(covered[-1] == until, f"I3: schedule {schedule_id} has a range to {until}, when it is not due")
        must(min(len(covered), 10_000) == count, f"I3: a range of {len(covered)} moments counts {count}")
        must(found.isdisjoint(covered), f"I3: schedule {schedule_id} has two rows for a moment in {moment}..{until}")
        found.update(covered)
        single[moment] = (outcome, into)
        single[until] = (outcome, into)
    return found, single


def _runs(world, history):
    """I1, I2, I5, I7, I9 to I11: each run ended, once, as its process knows it ended."""
    runs = history.execute(
        "SELECT id, uid, state, started_at, finished_at, error, journal_offset, trigger FROM runs"
    ).fetchall()
    uids = {row[1] for row in runs}
    must(world.acked_runs <= uids, f"I1: acknowledged runs are lost: {world.acked_runs - uids}")
    must(world.acked_cancels.keys() <= uids, "I1: acknowledged cancels of lost runs")
    cancelling = {row[0] for row in history.execute("SELECT run_id FROM run_events WHERE state = 'cancelling'")}
    for run_id, uid, state, _, finished, error, offset, _trigger in runs:
        world.stats[f"runs {state}"] += 1
        must(state in TERMINAL and finished is not None, f"I2: the run {uid} is {state}")
        truth = world.machine.truths.get(uid)
        cause = json.loads(error)[0:2] if error else None
        if truth is None or not truth.processes:
            must(state in ("cancelled", "crashed"), f"I11: the run {uid} is {state}, and nobody executed it")
            if state == "crashed":
                world.stats[f"never executed: {cause[1][:60]}"] += 1
            must(uid not in world.acked_cancels or state == "cancelled", f"I1: {uid} was cancelled and is {state}")
            continue
        if truth.ended is not None:
            must(state == truth.ended, f"I11: the run {uid} ended {truth.ended}, and the history says {state}: {cause}")
        elif uid in world.acked_cancels or run_id in cancelling:
            must(state == "cancelled", f"I1: the run {uid} was cancelled and died, and the history says {state}")
        else:
            must(state == "crashed", f"I11: the run {uid} died, and the history says {state}: {cause}")
            if truth.reaped:
                said = f"code {truth.status}" if truth.status >= 0 else f"signal {-truth.status}"
                must(
                    said in cause[1] or "reboot" in cause[1], f"I12: {uid} died of {said}, and the history says {cause}"
                )
        _tasks(history, run_id, uid, state, truth)
        size = sum(len(encode(event)) for event in truth.events)
        must(offset == size, f"I9: the journal of {uid} has {size} bytes, and {offset} are recorded")


def _tasks(history, run_id, uid, state, truth):
    expected, retries, running, values = {}, set(), {}, {}
    for event in truth.events:
        if isinstance(event, TaskStarted):
            running[event.index] = event.attempt
        elif isinstance(event, TaskRetrying):
            retries.add((event.index, event.attempt))
        elif isinstance(event, TaskEnded):
            running.pop(event.index, None)
            expected[event.index] = (event.state, event.attempts)
            if event.result is not None:
                values[event.index] = event.result.value
    for index, attempt in running.items():
        expected[index] = (FORSAKEN.get(state, "cancelled"), attempt)
    rows = {
        row[0]: row[1:]
        for row in history.execute("SELECT idx, state, attempts FROM task_runs WHERE run_id = ?", (run_id,))
    }
    must(rows == expected, f"I11: the tasks of {uid} are {expected}, and the history says {rows}")
    found = set(history.execute("SELECT idx, attempt FROM attempts WHERE run_id = ?", (run_id,)))
    must(found == retries, f"I5: failed attempts of {uid} are {retries}, and the history says {found}")
    kept = dict(history.execute("SELECT idx, value FROM results WHERE run_id = ? AND idx >= 0", (run_id,)))
    must(kept == values, f"I10: the results of {uid} are {values}, and the history says {kept}")


def _nothing_left(life):
    """I14: no slot, no run, no journal is held when nothing goes on."""
    dispatcher = life.dispatcher
    left = {
        "runs": dispatcher._runs, "keys": dispatcher._by_id, "live": list(dispatcher._live),
        "waiting": list(dispatcher._waiting), "queue": list(dispatcher._queue), "parked": dispatcher._queue._parked,
        "journals": life.recorder._journals.run_ids(), "watched": life.watch._watched,
        "works": list(life.recorder._queue),
    }  # fmt: skip
    held = {name: what for name, what in left.items() if what}
    must(not held, f"I14: still held: {held}")
    must(life.recorder.problem is None, f"I14: {life.recorder.problem}")
