"""What the loop has written, and what of it the recorder's thread knows better."""

import pytest

from tidemill.dispatcher.endings import Ending
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.history.database import open_database
from tidemill.history.pen import Pen
from tidemill.history.records import NewRun
from tidemill.service.recording import Recording

NOON = 1_700_000_000_000_000
FAILED = ErrorInfo("Crashed", "the run process was killed by signal 9 (SIGKILL)")


class FakeRecorder:
    def submit(self, work, done, *, reading):
        self.work = work


@pytest.mark.parametrize(
    ("is_cancelling", "state", "end"),
    [
        (True, State.CRASHED, State.CANCELLED),
        (True, State.TIMED_OUT, State.TIMED_OUT),
        (False, State.CRASHED, State.CRASHED),
    ],
)
def test_a_run_that_died_after_its_cancel_was_written_and_before_it_was_asked_is_cancelled(
    tmp_path, is_cancelling, state, end
):
    pen, recorder = Pen(open_database(tmp_path / "history.db")), FakeRecorder()
    run = ActiveRun("k3f0000000", "f", process=ProcessName(7, 7, "boot"))
    with pen.transaction() as writer:
        run.id = writer.add_run(NewRun(run.uid, run.flow, NOON))
        if is_cancelling:
            writer.note(run.id, State.CANCELLING, "its next moment came, and overlap is cancel", NOON)

    Recording(recorder, None).settle(run, Ending(state, FAILED), -9, lambda state: None)
    with pen.transaction() as writer:
        assert recorder.work(writer) is end
        (text,) = writer.row("SELECT error FROM runs WHERE id = ?", (run.id,))
    assert (text is None) == (end is State.CANCELLED)
    pen.close()
