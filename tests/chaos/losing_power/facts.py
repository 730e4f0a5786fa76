"""What was told before the power went, and whether it still holds.

Nothing here is the product's: the history is read as tables.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.losing_power.recording import Deed, Told

BEGIN = "begin"
ASKED = "asked"
ANSWERED = "answered"
SEEN = "seen"
REMOVING = "removing"
REMOVED = "removed"
EFFECT = "effect"
BACKED_UP = "backed up"
RECORDED = "recorded"
HARMED = "harmed"
"""What is told: that it begins, a request that goes out, its answer, what anybody could read in the history, that a
pruning begins and which runs it has removed, what a task did to the world, a backup that is said to be done, a run in a
terminal whose command has ended, that the history was damaged or taken away and which runs were in it."""


@dataclass(slots=True)
class Facts:
    """All that was told up to some moment."""

    runs: set[str] = field(default_factory=set)
    ends: dict[str, str] = field(default_factory=dict)
    """Of runs that had ended their states."""
    cancelled: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    """Runs of which something was recorded that they had done."""
    tasks: dict[tuple[str, int], str] = field(default_factory=dict)
    moments: dict[tuple[int, int], str] = field(default_factory=dict)
    paused: dict[str, bool | None] = field(default_factory=dict)
    """None: it was asked for, and not answered."""
    removed: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)
    """Runs that a pruning will have removed at the end."""
    fading: set[str] = field(default_factory=set)
    """Those of them that may be gone."""
    at_work: set[str] = field(default_factory=set)
    """Runs of which a task has begun."""
    hooked: set[str] = field(default_factory=set)
    """Runs whose hooks for a crash were called."""
    is_harmed: bool = False
    """The history was damaged when it began, so the daemon may complain."""
    backups: dict[str, int] = field(default_factory=dict)
    """By their paths the runs they hold."""

    def add(self, told: Told) -> None:
        """Take note."""
        facts = told.facts
        match told.what:
            case "asked":
                if facts["verb"] in ("pause", "resume"):
                    self.paused[facts["flow"]] = None
            case "answered":
                self._answered(facts)
            case "seen":
                for run, state, has_begun, is_over in facts["runs"]:
                    self.runs.add(run)
                    if has_begun:
                        self.begun.add(run)
                    if is_over:
                        self.ends[run] = state
                self.tasks.update(facts["tasks"])
                self.moments.update(facts["moments"])
            case "removing":
                self.fading |= self.doomed
            case "effect":
                run, _, _, what, *_ = facts.split(" ")
                (self.hooked if what == "hook" else self.at_work).add(run)
            case "removed":
                self.removed |= set(facts)
            case "backed up":
                self.backups[facts["path"]] = facts["runs"]
            case "recorded":
                self.runs.add(facts)
            case "harmed":
                self.is_harmed = True
                self.runs |= set(facts)

    def _answered(self, facts: dict[str, Any]) -> None:
        verb, answer = facts["verb"], facts["answer"]
        if verb in ("run", "retry"):
            self.runs.add(answer["run"])
        elif verb == "cancel" and answer["state"] in ("cancelling", "cancelled"):
            self.cancelled.add(answer["run"])
        elif verb in ("pause", "resume"):
            self.paused[facts["flow"]] = answer["paused"]

    def check(self, history: sqlite3.Connection) -> Iterator[str]:
        """Return what holds no more."""
        rows = {row[0]: row[1:] for row in history.execute("SELECT uid, state, finished_at, id FROM runs")}
        gone = self.removed | self.fading
        for run in sorted(self.runs - rows.keys() - gone):
            yield f"I1 the run {run} was acknowledged and is lost"
        for run in sorted(self.removed & rows.keys()):
            yield f"the run {run} was removed and is there again"
        for run, state in self.ends.items():
            if run in rows and rows[run][0] != state:
                yield f"I4 the run {run} was {state} and is {rows[run][0]}"
        for run in self.cancelled & rows.keys():
            if rows[run][0] != self.ends.get(run, "cancelled"):
                yield f"I1 the run {run} was cancelled and is {rows[run][0]}"
        yield from self._check_tasks(history, rows)
        moments = {
            (row[0], row[1]): row[2] for row in history.execute("SELECT schedule_id, moment, outcome FROM occurrences")
        }
        for moment, outcome in self.moments.items():
            if moments.get(moment) != outcome:
                yield f"I3 the moment {moment} was {outcome} and is {moments.get(moment)}"
        paused = dict(history.execute("SELECT name, paused_at IS NOT NULL FROM flows").fetchall())
        for flow, is_paused in self.paused.items():
            if is_paused is not None and bool(paused.get(flow)) != is_paused:
                yield f"I1 the flow {flow} was {'paused' if is_paused else 'resumed'} and that is lost"

    def _check_tasks(self, history: sqlite3.Connection, rows: dict[str, tuple[Any, ...]]) -> Iterator[str]:
        keys = {row[2]: uid for uid, row in rows.items()}
        found = {
            (keys[run], index): state
            for run, index, state in history.execute("SELECT run_id, idx, state FROM task_runs")
        }
        for task, state in self.tasks.items():
            if task[0] in rows and found.get(task) != state:
                yield f"I4 the task {task[1]} of {task[0]} was {state} and is {found.get(task)}"

    def check_backups(self, root: Path) -> Iterator[str]:
        """Look into each backup that was said to be done."""
        for name, runs in self.backups.items():
            try:
                with closing(sqlite3.connect(f"file:{root / name}?mode=ro", uri=True)) as copy:
                    (soundness,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
                    (held,) = copy.execute("SELECT count(*) FROM runs").fetchone()
            except sqlite3.Error as error:
                yield f"the backup {name} was said to be done: {error}"
                continue
            if soundness != "ok" or held < runs:
                yield f"the backup {name} was said to hold {runs} runs and holds {held}: {soundness}"


def to_be_removed(deeds: list[Deed]) -> set[str]:
    """Return the runs that prunings have removed at the end: from when on each was gone, nobody was told."""
    return {run for deed in deeds if isinstance(deed, Told) and deed.what == REMOVED for run in deed.facts}
