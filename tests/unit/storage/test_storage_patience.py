import logging
import threading
import time

import pytest

from tidemill.storage.patience import LONGEST_DELAY, Patience, Setback, beside


class Flaky:
    """Fails as often as it is told to."""

    def __init__(self, times, *, is_passing=True):
        self.left = times
        self.calls = 0
        self._is_passing = is_passing

    def __call__(self):
        self.calls += 1
        if self.calls <= self.left:
            raise Setback("the server is gone", is_passing=self._is_passing)
        return "kept"


def test_what_may_pass_is_tried_again_after_delays_that_double():
    waits, work = [], Flaky(3)

    assert Patience(3, 0.5).attempt(work, "writing", waits.append) == "kept"
    assert waits == [0.5, 1.0, 2.0]


def test_delays_do_not_grow_without_end():
    waits = []

    assert Patience(12, 1.0).attempt(Flaky(12), "writing", waits.append) == "kept"
    assert max(waits) == LONGEST_DELAY


@pytest.mark.parametrize(
    ("retries", "times", "is_passing", "calls"), [(2, 9, True, 3), (0, 9, True, 1), (5, 9, False, 1)]
)
def test_retries_end_with_their_number_or_with_what_will_not_pass(retries, times, is_passing, calls):
    work = Flaky(times, is_passing=is_passing)

    with pytest.raises(Setback, match="the server is gone"):
        Patience(retries, 1.0).attempt(work, "writing", lambda seconds: None)
    assert work.calls == calls


def test_each_setback_is_told_in_the_log(caplog):
    with caplog.at_level(logging.WARNING, "tidemill.results"):
        Patience(1, 2.0).attempt(Flaky(1), "the result of load", lambda seconds: None)

    assert caplog.messages == ["the result of load: the server is gone; trying again in 2 s"]


def test_work_beside_returns_and_raises_as_here():
    def fail():
        raise ValueError("no")

    assert beside(lambda: threading.current_thread().name) == "tidemill-result"
    with pytest.raises(ValueError, match="no"):
        beside(fail)


def test_who_waits_for_work_beside_can_be_interrupted():
    import ctypes

    class Interrupt(BaseException):
        pass

    hold, waiting, seen = threading.Event(), threading.Event(), []

    def wait():
        try:
            beside(lambda: (waiting.set(), hold.wait(30)))
        except Interrupt:
            seen.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(10)
    begun = time.monotonic()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupt))
    thread.join(10)
    hold.set()

    assert seen
    assert seen[0] - begun < 5
