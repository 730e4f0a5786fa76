"""The loop's way to the history: work goes to the recorder's thread, answers come back to the loop."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tidemill.dispatcher.endings import Ending
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.states import State
from tidemill.history.owing import end_without_hooks
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun
from tidemill.history.writing import Writer
from tidemill.service.inbox import Inbox

T = TypeVar("T")

log = logging.getLogger(__name__)


class Recording:
    """Hands work to the recorder; what it answers is dealt with on the loop, after the commit."""

    def __init__(self, recorder: Recorder, inbox: Inbox) -> None:
        self._recorder = recorder
        self._inbox = inbox

    def submit(
        self,
        work: Callable[[Writer], T],
        done: Callable[[T | BaseException], None] | None = None,
        *,
        reading: int | None = None,
    ) -> None:
        """Do *work* in the next transaction, and call *done* on the loop once it is durable or has failed."""
        if done is None:
            self._recorder.submit(work, reading=reading)
            return

        def tell(answer: Any) -> None:
            self._inbox.put(done, answer)

        self._recorder.submit(work, tell, reading=reading)

    async def perform(self, work: Callable[[Writer], T]) -> T:
        """Do *work* in the next transaction and return its answer once it is durable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def resolve(answer: T | BaseException) -> None:
            if future.cancelled():
                return
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self.submit(work, resolve)
        return await future

    # What the dispatcher asks

    def follow(self, run_id: int, uid: str, journal: str, offset: int = 0) -> None:
        """Read the run's journal from now on."""
        self._recorder.follow(run_id, uid, journal, offset)

    def settle(self, run: ActiveRun, ending: Ending, status: int | None, done: Callable[[State], None]) -> None:
        """Read the journal to its end; a run without a verdict in it gets *ending*, and is owed its flow's hooks."""
        run_id, at = run.id, time.time_ns() // 1000
        # One that was cancelled while it waited has done nothing that hooks could clean up.
        end = Writer.end_run if ending.state is State.CANCELLED and run.process is None else end_without_hooks

        def work(writer: Writer) -> State:
            state, error = _heed_cancel(writer, run, ending)
            return end(writer, run_id, state, error, at)

        def settled(answer: State | BaseException) -> None:
            if isinstance(answer, BaseException):
                log.error("the end of run %s could not be recorded: %s", run.uid, answer)
            self._recorder.unfollow(run_id)
            done(ending.state if isinstance(answer, BaseException) else answer)

        self.submit(work, settled, reading=run_id)

    def note_state(self, run: ActiveRun, state: State | None, note: str) -> None:
        """Record a passing state of the run, or a mere remark."""
        run_id, at = run.id, time.time_ns() // 1000
        self.submit(lambda writer: writer.note(run_id, state, note, at))


def _heed_cancel(writer: Writer, run: ActiveRun, ending: Ending) -> Ending:
    """Return the end of a run, which is cancelled where it died between its cancel's commit and being asked."""
    has_died = ending.state is State.CRASHED and ending.error is not None and ending.error.type == "Crashed"
    if has_died and writer.load_run(run.uid).state is State.CANCELLING:
        return Ending(State.CANCELLED, None)
    return ending


def new_run_record(run: ActiveRun, version: str | None, queued_at: int, schedule_id: int | None = None) -> NewRun:
    """Return the history's record of a run that is about to be."""
    return NewRun(
        uid=run.uid,
        flow=run.flow,
        trigger=run.trigger,
        queued_at=queued_at,
        scheduled_for=run.scheduled_for,
        parameters=run.parameters,
        priority=run.priority,
        attempt=run.attempt,
        parent=run.parent,
        version=version,
        schedule_id=schedule_id,
    )
