"""Runs made in somebody's terminal (``tidemill run FILE``), taken into the history when they are over."""

from pathlib import Path

import msgspec

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import NotFound, ProtocolError
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import RunOrder
from tidemill.domain.states import State
from tidemill.history.recorder import Recorder
from tidemill.history.writing import Writer


def order_path(paths: StatePaths, uid: str) -> Path:
    """Return where the command leaves the order of a run that it carries out itself."""
    return paths.journal(uid).with_suffix(".order")


def record_local_run(recorder: Recorder, paths: StatePaths, uid: str) -> State:
    """Record the run, all that its journal tells, and its end; return the state it ended in. Waits."""
    path = order_path(paths, uid)
    try:
        made_at = path.stat().st_mtime_ns // 1000
        order = msgspec.json.decode(path.read_bytes(), type=RunOrder)
    except FileNotFoundError:
        raise NotFound(f"there is no run {uid} to record: {path} is not there") from None
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"the order of run {uid} cannot be read: {error}") from error
    journal = paths.journal_name(uid)

    def add(writer: Writer) -> int:
        return writer.adopt_local_run(
            uid, order.flow, file=order.path, journal=journal, queued_at=made_at, parameters=order.parameters
        )

    run_id = recorder.call(add)
    recorder.follow(run_id, uid, journal)

    def end(writer: Writer) -> State:
        cause = ErrorInfo("Crashed", "the run process ended before the flow came to its end")
        return writer.end_run(run_id, State.CRASHED, cause, made_at)

    state = recorder.call(end, reading=run_id)
    recorder.unfollow(run_id)
    path.unlink(missing_ok=True)
    return state
