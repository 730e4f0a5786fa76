"""Runs brought back from their journals, some at a time."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

from tidemill.config.paths import StatePaths
from tidemill.domain.events import Event, RunStarted
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.history.pen import Pen
from tidemill.history.rebuilding import Rebuilding, Rebuilt
from tidemill.history.writing import Writer
from tidemill.journal.exits import ProcessExit, read_exits
from tidemill.journal.processes import boot_id, is_alive
from tidemill.journal.reader import JournalReader

TOGETHER: Final = 200
"""Runs in one transaction."""

log = logging.getLogger(__name__)


class Judge(Protocol):
    """Who knows what an exit without a last word means."""

    def __call__(self, status: int | None, *, rebooted: bool) -> tuple[State, ErrorInfo | None]:
        """Return the end of a run whose process ended with *status*, or with the machine."""
        ...


class Bringing:
    """Brings runs back into the history that *pen* writes."""

    def __init__(self, pen: Pen, paths: StatePaths, judge: Judge, now: int) -> None:
        self._pen = pen
        self._paths = paths
        self._judge = judge
        self._exits: dict[str, ProcessExit] | None = None
        self._rebuilding = Rebuilding(self._read_text, now)
        self.runs = 0
        """How many were brought back."""
        self.failed: list[str] = []
        """Ids of those whose journals cannot be understood."""

    def bring(self, uids: Iterable[str], tell: Callable[[int], None] = lambda _: None) -> None:
        """Bring back the runs with these ids; *tell* is called with how many there are so far."""
        self._go_through(uids, self._bring, tell)

    def read_again(self, uids: Iterable[str], tell: Callable[[int], None] = lambda _: None) -> None:
        """Record anew what the journals of runs tell that are in the history and may have lost some of it."""
        self._go_through(uids, self._read_again, tell)

    def _go_through(self, uids: Iterable[str], act: Callable[[Writer, str], None], tell: Callable[[int], None]) -> None:
        for few in _portions(uids):
            with self._pen.transaction() as writer:
                for uid in few:
                    act(writer, uid)
            tell(self.runs)
        with self._pen.transaction() as writer:
            self._rebuilding.finish(writer)

    def _bring(self, writer: Writer, uid: str) -> None:
        events, offset = self._read(uid)
        if not events:
            return  # its process had written nothing yet: whatever it was, it is told nowhere
        writer.execute("SAVEPOINT bring")
        try:
            rebuilt = self._rebuilding.add(writer, uid, events, offset)
            if not rebuilt.has_ended:
                self._end(writer, uid, rebuilt, events)
        except Exception:
            writer.execute("ROLLBACK TO SAVEPOINT bring")
            writer.forget()
            self.failed.append(uid)
            log.exception("the run %s cannot be brought back from its journal", uid)
        else:
            self.runs += 1
        writer.execute("RELEASE SAVEPOINT bring")

    def _read_again(self, writer: Writer, uid: str) -> None:
        row = writer.row("SELECT id FROM runs WHERE uid = ? AND root_id IS NULL", (uid,))
        events, offset = self._read(uid)
        if row is not None and events:
            self._rebuilding.add_again(writer, int(row[0]), uid, events, offset)

    def _end(self, writer: Writer, uid: str, rebuilt: Rebuilt, events: Sequence[Event]) -> None:
        """Give a run its end whose process is gone; one that lives goes on, and the daemon takes it up."""
        started = next((event for event in reversed(events) if isinstance(event, RunStarted)), None)
        process = None if started is None else ProcessName(started.pid, started.start_time, started.boot_id)
        if process is not None and is_alive(process):
            return
        ended = self._exit_of(uid)
        if process is not None and ended is not None and ended.pid != process.pid:
            ended = None
        rebooted = ended is None and process is not None and process.boot_id != boot_id()
        state, error = self._judge(None if ended is None else ended.status, rebooted=rebooted)
        writer.end_run(rebuilt.id, state, error, events[-1].at if ended is None else ended.at)

    def _exit_of(self, uid: str) -> ProcessExit | None:
        if self._exits is None:
            self._exits = {ended.run: ended for ended in read_exits(self._paths.exits)}
        return self._exits.get(uid)

    def _read(self, uid: str) -> tuple[list[Event], int]:
        reader = JournalReader(self._paths.journal(uid))
        events: list[Event] = []
        before = -1
        try:
            while reader.offset != before:
                before = reader.offset
                events += reader.read()[0]
        except OSError as error:
            log.error("the journal of run %s cannot be read: %s", uid, error)
            return [], 0
        finally:
            reader.close()
        return events, reader.offset

    def _read_text(self, digest: str) -> bytes | None:
        with suppress(OSError):
            return self._paths.source(digest).read_bytes()
        return None


def _portions(uids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(uids)
    while few := list(islice(iterator, TOGETHER)):
        yield few
