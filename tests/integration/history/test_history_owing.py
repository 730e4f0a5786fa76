"""Hooks that are owed to runs whose processes died, on SQLite and on PostgreSQL."""

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.events import RunEnded
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.history.owing import end_without_hooks, hooks_settled, load_all_owed, load_owed

CRASH = ErrorInfo("Crashed", "the run process was killed by signal 9\nand so on")


def end(lab, run_id, state=State.CRASHED, error=CRASH, at=NOON + SECOND):
    return lab.write(lambda writer: end_without_hooks(writer, run_id, state, error, at))


@pytest.mark.parametrize("state", [State.CRASHED, State.CANCELLED, State.TIMED_OUT])
def test_a_run_that_is_given_its_end_is_owed_its_hooks(lab, state):
    run_id = lab.add_run("k3f0000000", parameters={"day": 3})

    assert end(lab, run_id, state) is state

    (owed,) = lab.write(load_all_owed)
    assert (owed.run.uid, owed.run.state, owed.run.parameters) == ("k3f0000000", state, {"day": 3})
    assert owed.error == "Crashed: the run process was killed by signal 9"
    assert lab.write(lambda writer: load_owed(writer, "k3f0000000")) == owed


def test_a_run_that_told_its_end_itself_is_owed_nothing(lab):
    run_id = lab.add_run("k3f0000000")
    lab.record(run_id, "k3f0000000", RunEnded(NOON, "cancelled"))

    assert end(lab, run_id, State.CANCELLED) is State.CANCELLED

    assert lab.write(load_all_owed) == []


@pytest.mark.parametrize("state", [State.FAILED, State.SKIPPED])
def test_other_ends_owe_nothing(lab, state):
    end(lab, lab.add_run("k3f0000000"), state)

    assert lab.write(load_all_owed) == []


def test_a_run_of_somebody_s_terminal_is_owed_nothing(lab):
    end(lab, lab.add_run("k3f0000000", journal="/elsewhere/k3f0000000.journal"))

    assert lab.write(load_all_owed) == []


def test_what_is_settled_is_owed_no_more_and_others_are_not_touched(lab):
    for uid in ("k3f0000000", "k3f0000001"):
        end(lab, lab.add_run(uid))

    lab.write(lambda writer: hooks_settled(writer, "k3f0000000"))

    assert [owed.run.uid for owed in lab.write(load_all_owed)] == ["k3f0000001"]
    assert lab.write(lambda writer: load_owed(writer, "k3f0000000")) is None


def test_ended_twice_is_owed_once(lab):
    run_id = lab.add_run("k3f0000000")
    end(lab, run_id)
    lab.write(lambda writer: hooks_settled(writer, "k3f0000000"))

    assert end(lab, run_id, State.CANCELLED, None, NOON + 2 * SECOND) is State.CRASHED

    assert lab.write(load_all_owed) == []


def test_a_run_that_was_removed_is_owed_nothing(lab):
    run_id = lab.add_run("k3f0000000")
    end(lab, run_id)
    lab.write(lambda writer: writer.execute("DELETE FROM runs WHERE id = ?", (run_id,)))

    assert lab.write(load_all_owed) == []
    assert lab.write(lambda writer: writer.row("SELECT COUNT(*) FROM meta")) == (0,)


@pytest.mark.parametrize("state", ["cancelled", "timed_out"])
def test_a_process_that_ended_itself_in_the_middle_of_its_code_leaves_its_hooks_owed(lab, state):
    run_id = lab.add_run("k3f0000000")
    lab.record(run_id, "k3f0000000", RunEnded(NOON, state, CRASH, is_unhooked=True))

    assert end(lab, run_id, State.CRASHED) == state

    (owed,) = lab.write(load_all_owed)
    assert (owed.run.state, owed.error) == (state, CRASH.line)
