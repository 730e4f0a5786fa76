"""The runs of flows that were called inside a run. The run whose journal tells of them is their root."""

from typing import Final

from tidemill.domain.events import SubflowStarted
from tidemill.domain.identifiers import is_run_id
from tidemill.domain.outcomes import Trigger
from tidemill.history.run_writing import RunWriting
from tidemill.history.texts import from_value, storable

_INSERT: Final = (
    "INSERT INTO runs (uid, flow_id, state, trigger, queued_at, started_at, attempt, priority, parent_id, parent_index,"
    " root_id, version_id, journal_offset, parameters, name)"
    f" SELECT ?, ?, 'running', '{Trigger.SUBFLOW}', ?, ?, 1, r.priority, COALESCE("
    "(SELECT p.id FROM runs p WHERE p.uid = ? AND (p.id = r.id OR p.root_id = r.id)), r.id), ?,"
    " r.id, r.version_id, 0, ?, ? FROM runs r WHERE r.id = ? ON CONFLICT (uid) DO NOTHING RETURNING id"
)
_KNOWN_AT_MOST: Final = 10_000
"""Keys kept in memory; an event of a child whose key is not costs a look into the history."""

Child = tuple[int, str]
"""A child by its root's key and its own id."""


class ChildWriting(RunWriting):
    """The sentences about them."""

    _child_ids: dict[Child, int]

    def begin_child(self, child: Child, started: SubflowStarted) -> None:
        """Record a child that begins; told twice of the same one, record it once."""
        root_id, uid = child
        if not is_run_id(uid):
            return
        row = self.row(
            _INSERT,
            (
                uid,
                self.flow_id(started.flow),
                started.at,
                started.at,
                storable(started.parent),
                started.index,
                from_value(started.parameters),
                None if started.name is None else storable(started.name),
                root_id,
            ),
        )
        if row is not None:
            self._know(child, int(row[0]))

    def child_id(self, child: Child) -> int | None:
        """Return the key of a child, or None if its root has no such child."""
        found = self._child_ids.get(child)
        if found is None and is_run_id(child[1]):
            row = self.row("SELECT id FROM runs WHERE uid = ? AND root_id = ?", (child[1], child[0]))
            if row is not None:
                found = self._know(child, int(row[0]))
        return found

    def _know(self, child: Child, run_id: int) -> int:
        if len(self._child_ids) >= _KNOWN_AT_MOST:
            self._child_ids.clear()
        self._child_ids[child] = run_id
        return run_id
