"""The process that calls the hooks of a run whose own process could not."""

from pathlib import Path
from typing import Final

from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.dispatcher.processes import kill_group
from tidemill.domain.events import RunEnded, RunNoted
from tidemill.domain.hooks import OWED_HOOKS
from tidemill.domain.runs import CRASH_HOOKS, RunOrder
from tidemill.domain.states import State
from tidemill.domain.times import iso
from tidemill.history.owing import OwedHooks
from tidemill.journal.exits import describe_status, find_exit
from tidemill.journal.format import beside
from tidemill.journal.processes import is_alive
from tidemill.journal.reader import JournalReader
from tidemill.service.processes import process_of
from tidemill.service.restraining import restraints_for
from tidemill.service.trusting import terms_of

LIMIT: Final = 30.0
"""Seconds that the hooks of one run may take."""
MARGIN: Final = 5.0
"""Seconds after that limit at which the process, which keeps it itself, is killed from outside."""


def order_for_hooks(owed: OwedHooks, root: str, paths: StatePaths, settings: Settings) -> RunOrder:
    """Write the order that has the hooks of a run called by the version of its flow that ran."""
    run = owed.run
    path = run.file if run.file in run.sources else next(iter(run.sources))
    terms = terms_of(settings)(path)
    return RunOrder(
        run=run.uid,
        flow=run.flow,
        path=path,
        sources={path: str(paths.source(digest)) for path, digest in run.sources.items()},
        root=root,
        journal=str(paths.hooks_journal(run.uid)),
        log=paths.log_name(run.uid),
        results_dir=paths.run_results_name(run.uid),
        parameters=run.parameters,
        trigger=run.trigger,
        scheduled_for=iso(run.scheduled_for),
        attempt=run.attempt,
        parent=run.parent,
        timeout=LIMIT,
        nice=settings.dispatch.nice,
        log_limit=settings.history.log_limit,
        restraints=restraints_for(None, settings),
        trust=terms.trust,
        user=terms.user,
        purpose=CRASH_HOOKS,
        verdict=(str(run.state), owed.error),
    )


class HookProcess:
    """It was ordered, and tells in a journal of its own what it does; nothing here waits for it."""

    def __init__(self, owed: OwedHooks, order: RunOrder, exits: Path, now: float) -> None:
        self.owed = owed
        self.order = order
        self.kind = OWED_HOOKS[owed.run.state]
        self.ordered_at = now
        self.tries = 1
        self.note: str | None = None
        """What is told of it on the run when it is over; None: nothing."""
        self._journal = Path(order.journal)
        self._exits = exits

    @property
    def was_made(self) -> bool:
        """Tell whether there is, or was, a process; from then on there will be no other."""
        return self._journal.exists()

    def look(self, now: float) -> bool:
        """See how far it is, and kill it if it is over its time; True once it has ended, with *note* to tell."""
        process = process_of(self._journal)
        is_going = process is not None and is_alive(process)
        # Read after that: what has ended by then has told everything.
        notes, end = self._told()
        if end is not None:
            self.note = self._sentence(notes, end)
            return True
        if is_going and process is not None:
            if now > self.ordered_at + LIMIT + MARGIN:
                kill_group(process)
            return False
        ended = find_exit(self._exits, self.order.process, process)
        how = "it is gone" if ended is None else describe_status(ended.status)
        self.note = f"the {self.kind} hooks did not come to their end: their process died ({how})"
        return True

    def forget(self) -> None:
        """Remove the journal: what is owed is settled, so that it has nothing more to prove."""
        self._journal.unlink(missing_ok=True)
        Path(beside(self._journal)).unlink(missing_ok=True)

    def _told(self) -> tuple[list[str], RunEnded | None]:
        reader = JournalReader(self._journal)
        try:
            events, _ = reader.read()
        finally:
            reader.close()
        notes = [event.note for event in events if isinstance(event, RunNoted)]
        return notes, next((event for event in events if isinstance(event, RunEnded)), None)

    def _sentence(self, notes: list[str], end: RunEnded) -> str | None:
        if end.state == State.SKIPPED:  # the version that ran had no such hooks
            return None
        if end.state == State.COMPLETED:
            return f"the {self.kind} hooks were called, in a process of their own"
        reason = f": {end.error.line}" if end.error is not None else ""
        return "; ".join(notes) or f"the {self.kind} hooks did not come to their end{reason}"
