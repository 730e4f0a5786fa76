"""The recorder: the only writer of the history, in its own thread.

Works and journals come together in group commits. Nothing is acknowledged before it is durable, and nothing
is dropped because the history cannot be written just now: works wait in the queue, events in their journals.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from tidemill.domain.errors import HistoryError
from tidemill.domain.events import Event, RunEnded
from tidemill.history.awaiting import Awaited
from tidemill.history.database import Database
from tidemill.history.following import Journals
from tidemill.history.pacing import SCAN, TIDY, Pace
from tidemill.history.pen import Pen
from tidemill.history.problems import is_damage, is_passing, sentence
from tidemill.history.trouble import Trouble
from tidemill.history.turns import Turn, Work, take_turn
from tidemill.history.writing import Writer

T = TypeVar("T")

TOGETHER: Final = 1000
"""Works written in one transaction at most."""
_LOG: Final = logging.getLogger(__name__)


class Recorder:
    """Takes works and follows journals; everything it is told it tells back only after the commit.

    *on_events* gets the events that have become durable, with their runs' keys. It and every ``done`` are
    called in the recorder's thread.
    """

    def __init__(
        self,
        database: Database,
        on_events: Callable[[list[tuple[int, Event]]], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._on_events = on_events
        self._monotonic = monotonic
        self._queue: deque[Work] = deque()
        self._aside: deque[tuple[Callable[[Pen], Any], Callable[[Any], None]]] = deque()
        self._asked: deque[Callable[[Journals], None]] = deque()
        self._wake = threading.Event()
        self._door = threading.Lock()
        self._hinted_at: float | None = None
        self._is_urgent = False
        self._stop_by: float | None = None
        self._journals = Journals()
        self._pen = Pen(database)
        self._pace = Pace()
        self._is_tidy = True
        self._is_misplaced = False
        self._trouble = Trouble(database)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.last_commit = 0.0
        """When it committed last, on the monotonic clock."""
        self.last_turn = 0.0
        """When its thread was last seen going round; old, and it is stuck."""

    @property
    def problem(self) -> str | None:
        """Why the history cannot be written just now; nothing is lost meanwhile."""
        return self._trouble.problem

    @property
    def is_damaged(self) -> bool:
        """What is wrong does not pass by waiting: the history has to be mended."""
        return self._trouble.is_damaged

    # Asked by any thread

    def start(self) -> None:
        """Begin."""
        self.last_turn = self._monotonic()
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what is queued and what the journals hold, then close the history."""
        self._hinted_at = float("-inf")  # one last look at the journals
        with self._door:
            self._stop_by = self._monotonic() + timeout
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(
        self, work: Callable[[Writer], T], done: Callable[[Any], None] | None = None, *, reading: int | None = None
    ) -> None:
        """Queue *work*; *done* gets what it returned, or the error it raised, once that is durable.

        *work* may be called again if its transaction had to be rolled back: it must do nothing but write and
        read through the writer. With *reading*, that run's journal is read to its end first.
        """
        with self._door:
            self._refuse_if_closing()
            self._queue.append(Work(work, done, reading))
        self._wake.set()

    def call(self, work: Callable[[Writer], T], *, reading: int | None = None) -> T:
        """Have *work* done and wait for it; return what it returned, or raise what it raised."""
        answer = self._expect()
        self.submit(work, answer.done, reading=reading)
        came: T = answer.wait()
        return came

    def aside(self, chore: Callable[[Pen], T]) -> T:
        """Have *chore* done with the pen between two turns, and wait for it; return or raise what it did.

        For what has time: works never share a transaction with it, and wait for one chore at most.
        """
        answer = self._expect()
        with self._door:
            self._refuse_if_closing()
            self._aside.append((chore, answer.done))
        self._wake.set()
        came: T = answer.wait()
        return came

    def follow(self, run_id: int, uid: str, journal: str, offset: int = 0) -> None:
        """Read a run's journal on from *offset*, as recorded for it, until it tells its end."""
        self._asked.append(lambda journals: journals.follow(run_id, uid, journal, offset))
        self.hint()

    def unfollow(self, run_id: int) -> None:
        """Read a run's journal no more."""
        self._asked.append(lambda journals: journals.unfollow(run_id))
        self._wake.set()

    def suspect(self, problem: str) -> None:
        """Take the history for damaged, as whoever looked through it says."""
        self._trouble.suspect(problem)

    def hint(self, *, urgent: bool = False) -> None:
        """Tell that a journal may have grown; *urgent*, and somebody waits for what it tells."""
        if self._hinted_at is None:
            self._hinted_at = self._monotonic()
        self._is_urgent |= urgent
        self._wake.set()

    def _expect(self) -> Awaited:
        if threading.current_thread() is self._thread:
            raise HistoryError("the recorder cannot wait for itself")
        return Awaited()

    def _refuse_if_closing(self) -> None:
        if self._stop_by is not None:
            raise HistoryError("the history is closing; nothing more is recorded")

    # In its own thread

    def _run(self) -> None:
        try:
            while not self._is_over():
                if self._wait():
                    self._turn()
                if self._aside and self._pace.retry_at is None:
                    self._do_chore()
        finally:
            self._close()

    def _wait(self) -> bool:
        """Wait until there is something to do; tell whether a turn is due, or else only a chore."""
        while True:
            now = self.last_turn = self._monotonic()
            hinted_at = float("-inf") if self._journals.has_more else self._hinted_at
            due = self._pace.due(
                awaited=bool(self._queue) or self._is_urgent, hinted_at=hinted_at, following=len(self._journals) > 0
            )
            if self._stop_by is not None and self._pace.retry_at is None:
                return True
            if due <= now:
                return True
            if self._aside and self._pace.retry_at is None:
                return False
            if not self._is_tidy and now - self._pace.committed > TIDY:
                self._tidy()
            # Never longer than a second, so that a stuck thread can be told from an idle one.
            if self._wake.wait(min(due - now, SCAN)):
                self._wake.clear()
            else:
                self._keep_place()

    def _turn(self) -> None:
        self._hinted_at, self._is_urgent = None, False
        while self._asked:
            self._asked.popleft()(self._journals)
        works = self._next_works()
        self._pace.looked = self._monotonic()
        if not works and not len(self._journals):
            return
        try:
            turn = take_turn(self._pen, works, self._journals)
        except Exception as error:
            self._queue.extendleft(reversed(works))
            self._hinted_at = float("-inf")
            self._fail(error)
        else:
            self._commit(works, turn)

    def _next_works(self) -> list[Work]:
        """Take works of the queue; one whose journal has to be read for long first lets all others go before it."""
        works: list[Work] = []
        waiting: list[Work] = []
        for _ in range(min(len(self._queue), TOGETHER)):
            work = self._queue.popleft()
            is_early = work.reading is not None and self._journals.is_far_behind(work.reading)
            (waiting if is_early else works).append(work)
        self._queue.extend(waiting)
        return works

    def _do_chore(self) -> None:
        chore, done = self._aside.popleft()
        answer: Any
        try:
            answer = chore(self._pen)
            self._is_tidy = False
        except Exception as error:
            if is_damage(error):
                self._trouble.note(error)
            answer = HistoryError(sentence(error, self._database.where)) if is_passing(error) else error
        self._tell(done, answer)

    def _keep_place(self) -> None:
        """Look whether the history is still there, when there is nothing to write."""
        try:
            self._pen.keep_place()
        except Exception as error:
            self._is_misplaced = True
            self._trouble.note(error)
        else:
            if self._is_misplaced:
                self._is_misplaced = False
                self._trouble.forget()

    def _commit(self, works: list[Work], turn: Turn) -> None:
        self._trouble.forget()
        now = self._monotonic()
        ends = sum(type(event) is RunEnded for _, event in turn.facts)
        self._pace.committed_at(now, len(works) + ends)
        if turn.has_written:
            self.last_commit, self._is_tidy = now, False
        if turn.facts:
            self._tell(self._on_events, turn.facts)
        for work, answer in zip(works, turn.answers, strict=True):
            if work.done is not None:
                self._tell(work.done, answer)

    def _fail(self, error: Exception) -> None:
        self._trouble.note(error)
        self._pace.failed_at(self._monotonic())

    def _is_over(self) -> bool:
        if self._stop_by is None:
            return False
        if self._monotonic() >= self._stop_by:
            return True
        return not self._queue and not self._asked and self._hinted_at is None and not self._journals.has_more

    def _tidy(self) -> None:
        self._is_tidy = True
        with suppress(Exception):  # a reader in the way is no fault; the next quiet time will do
            self._pen.tidy()

    def _close(self) -> None:
        with self._door:
            self._stop_by = self._stop_by or 0.0
        while self._queue:
            work = self._queue.popleft()
            if work.done is not None:
                self._tell(work.done, self._closed())
        while self._aside:
            self._tell(self._aside.popleft()[1], self._closed())
        self._journals.close()
        self._pen.close()

    def _closed(self) -> HistoryError:
        return HistoryError(self.problem or "the history was closed before this was recorded")

    def _tell(self, who: Callable[[Any], None], what: Any) -> None:
        try:
            who(what)
        except Exception:
            _LOG.exception("what the recorder told was not taken")
