import signal

from hypothesis import given
from hypothesis import strategies as st

from tidemill.dispatcher.endings import judge_exit
from tidemill.domain.states import State


def test_a_signal_is_named():
    ending = judge_exit(-signal.SIGSEGV)

    assert ending.state is State.CRASHED
    assert "SIGSEGV" in ending.error.message


def test_sigkill_points_to_memory():
    assert "memory" in judge_exit(-signal.SIGKILL).error.message


def test_a_limit_that_was_met_comes_before_how_the_process_ended():
    met = "the run met its limit on memory, 60 MB"

    assert judge_exit(-signal.SIGKILL, met=met).error.message == (
        f"{met}; the run process was killed by signal 9 (SIGKILL)"
    )
    assert judge_exit(3, met=met).error.message.startswith(f"{met}; the run process exited with code 3")
    assert judge_exit(-signal.SIGKILL, cancelled=True, met=met).state is State.CANCELLED


def test_an_exit_code_is_told():
    ending = judge_exit(3)

    assert ending.state is State.CRASHED
    assert "code 3" in ending.error.message


def test_an_unknown_exit_says_so():
    assert "nobody" in judge_exit(None).error.message


def test_a_full_disk_is_named():
    assert "disk full" in judge_exit(74).error.message


def test_an_asked_for_end_is_no_crash():
    assert judge_exit(-signal.SIGTERM, cancelled=True).state is State.CANCELLED


def test_an_enforced_time_out_is_told_before_a_cancel():
    assert judge_exit(-signal.SIGKILL, cancelled=True, overdue=True).state is State.TIMED_OUT


@given(st.none() | st.integers(-70, 255), st.booleans(), st.booleans())
def test_every_exit_has_a_terminal_verdict(status, cancelled, overdue):
    ending = judge_exit(status, cancelled=cancelled, overdue=overdue)

    assert ending.state.is_terminal
    assert ending.state is not State.COMPLETED
