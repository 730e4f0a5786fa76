"""Hooks that are owed to a run, because its process could not call them itself.

What is owed is written in the transaction that ends the run and taken back in the one that tells what came of it;
so it survives a daemon that is killed in between.
"""

import json
from dataclasses import dataclass
from typing import Final

from tidemill.domain.errors import NotFound
from tidemill.domain.hooks import OWED_HOOKS
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.history.run_writing import RunWriting

PREFIX: Final = "owed_hooks/"
"""Before the run's id, the key in the table meta."""
_OWE: Final = (
    f"INSERT INTO meta (key, value) SELECT '{PREFIX}' || uid, state FROM runs"
    " WHERE id = ? AND finished_at = ? AND journal IS NULL ON CONFLICT (key) DO NOTHING"
)
"""A run of somebody's terminal has its journal elsewhere; whoever sits there sees how it ended."""
_OWED: Final = "SELECT key FROM meta WHERE key LIKE ? ORDER BY key"


@dataclass(frozen=True, slots=True)
class OwedHooks:
    """A run ended, and its flow's hooks for that were not called."""

    run: StoredRun
    error: str | None
    """Why it ended so, in one line."""


def end_without_hooks(writer: RunWriting, run_id: int, state: State, error: ErrorInfo | None, at: int) -> State:
    """Give a run its end unless it has one, with a note of the hooks it is owed; return the end it has."""
    ended = writer.end_run(run_id, state, error, at)
    if ended in OWED_HOOKS:
        owe_hooks(writer, run_id, at)
    return ended


def owe_hooks(writer: RunWriting, run_id: int, at: int) -> None:
    """Note that the hooks of a run are owed, if it is *at* that time that it ended."""
    writer.execute(_OWE, (run_id, at))


def load_owed(writer: RunWriting, uid: str) -> OwedHooks | None:
    """Return what is owed to the run, if anything is."""
    if writer.row("SELECT value FROM meta WHERE key = ?", (PREFIX + uid,)) is None:
        return None
    try:
        run = writer.load_run(uid)
    except NotFound:
        hooks_settled(writer, uid)
        return None
    row = writer.row("SELECT error FROM runs WHERE id = ?", (run.id,))
    return OwedHooks(run, None if row is None or row[0] is None else ErrorInfo(*json.loads(row[0])).line)


def load_all_owed(writer: RunWriting) -> list[OwedHooks]:
    """Return everything that is owed, the runs in the order of their ids."""
    uids = [str(key).removeprefix(PREFIX) for (key,) in writer.rows(_OWED, (f"{PREFIX}%",))]
    return [owed for uid in uids if (owed := load_owed(writer, uid)) is not None]


def hooks_settled(writer: RunWriting, uid: str) -> None:
    """Owe the run nothing any more."""
    writer.execute("DELETE FROM meta WHERE key = ?", (PREFIX + uid,))
