"""One transaction of the recorder: works and pieces of journals, all of them or none."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tidemill.domain.events import Event, RunNoted
from tidemill.domain.results import ErrorInfo
from tidemill.history.following import Journals, told
from tidemill.history.ingest import OffsetError, Piece, ingest, move_offsets, record
from tidemill.history.pen import Pen
from tidemill.history.problems import is_passing
from tidemill.history.texts import storable
from tidemill.history.writing import Writer

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """Something to be written, and who is told once it is durable."""

    write: Callable[[Writer], Any]
    done: Callable[[Any], None] | None = None
    reading: int | None = None
    """The run whose journal is read to its end first."""


@dataclass(slots=True)
class Turn:
    """What one transaction came to."""

    answers: list[Any] = field(default_factory=list)
    """For each work what it returned, or the error that came out of it."""
    facts: list[tuple[int, Event]] = field(default_factory=list)
    """The events that were recorded, each with its run's key."""
    has_written: bool = False


def take_turn(pen: Pen, works: Sequence[Work], journals: Journals) -> Turn:
    """Write *works* and what is new in the journals; raise only what may pass by waiting.

    A savepoint for each work would cost more than most works do. So all are written without; if one fails,
    everything is rolled back and written again with savepoints, and only what fails then is left out.
    """
    try:
        turn = _write(pen, works, journals, _plainly, ingest)
    except Exception as error:
        journals.rewind()
        if is_passing(error):
            raise
        if isinstance(error, OffsetError):
            _agree(pen, journals)
        try:
            turn = _write(pen, works, journals, _guarded, _carefully)
        except Exception:
            journals.rewind()
            raise
    journals.keep()
    return turn


def _write(
    pen: Pen,
    works: Sequence[Work],
    journals: Journals,
    perform: Callable[[Writer, Work], Any],
    take_in: Callable[[Writer, Sequence[Piece]], None],
) -> Turn:
    turn = Turn()
    pieces = journals.gather()
    if not pieces and not works:
        return turn
    with pen.transaction() as writer:
        if pieces:
            take_in(writer, pieces)
        for run_id in dict.fromkeys(work.reading for work in works if work.reading is not None):
            for piece in journals.read_all(run_id):
                take_in(writer, [piece])
                pieces.append(piece)
        turn.answers = [perform(writer, work) for work in works]
    turn.facts = told(pieces)
    turn.has_written = True
    return turn


def _plainly(writer: Writer, work: Work) -> Any:
    return work.write(writer)


def _guarded(writer: Writer, work: Work) -> Any:
    try:
        return _saved(writer, lambda: work.write(writer))
    except Exception as error:
        if is_passing(error):
            raise
        return error


def _carefully(writer: Writer, pieces: Sequence[Piece]) -> None:
    """Write each piece by itself, and the events of one that fails one by one: one bad event must not stop a run."""
    for piece in pieces:
        run_id, _, _, events = piece
        try:
            _saved(writer, lambda piece=piece: ingest(writer, [piece]))  # type: ignore[misc]
        except Exception as error:
            if is_passing(error) or isinstance(error, OffsetError):
                raise
            move_offsets(writer, [piece])
            for event in events:
                _record_one(writer, run_id, event)


def _record_one(writer: Writer, run_id: int, event: Event) -> None:
    try:
        _saved(writer, lambda: record(writer, [(run_id, [event])]))
    except Exception as error:
        if is_passing(error):
            raise
        _LOG.exception("an event of run %d could not be recorded: %r", run_id, event)
        note = f"an event could not be recorded ({ErrorInfo(type(error).__name__, str(error)).line})"
        record(writer, [(run_id, [RunNoted(event.at, storable(note))])])


def _saved(writer: Writer, act: Callable[[], T]) -> T:
    writer.execute("SAVEPOINT act")
    try:
        answer = act()
    except Exception:
        writer.execute("ROLLBACK TO SAVEPOINT act")
        writer.forget()
        raise
    writer.execute("RELEASE SAVEPOINT act")
    return answer


def _agree(pen: Pen, journals: Journals) -> None:
    """Read the journals on from where the history stands; it is the truth after a commit whose answer was lost."""
    with pen.transaction() as writer:
        for run_id in journals.run_ids():
            row = writer.row("SELECT journal_offset FROM runs WHERE id = ?", (run_id,))
            if row is None:
                _LOG.error("the history has no run with the key %d; its journal is not followed", run_id)
                journals.unfollow(run_id)
            else:
                journals.stand_at(run_id, int(row[0]))
