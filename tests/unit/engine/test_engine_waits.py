import threading

from tidemill.engine.waits import FIRST, LONGEST, at_a_stretch, wait_watchfully


class Waiting:
    """A wait on a clock of its own, which something ends at a moment."""

    def __init__(self, ends_at=float("inf")):
        self.now = 0.0
        self.ends_at = ends_at
        self.pieces = []

    def clock(self):
        return self.now

    def wait(self, seconds):
        self.pieces.append(seconds)
        left = self.ends_at - self.now
        self.now += min(seconds, max(0.0, left))
        return left <= seconds


def test_the_main_thread_looks_up_after_longer_and_longer_pieces_up_to_the_longest():
    waiting = Waiting(ends_at=10.0)

    assert wait_watchfully(waiting.wait, None, waiting.clock)

    assert waiting.now == 10.0
    assert waiting.pieces[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert max(waiting.pieces) == LONGEST
    assert waiting.pieces.count(LONGEST) > 5


def test_a_wait_takes_its_time_and_no_more():
    waiting = Waiting()

    assert not wait_watchfully(waiting.wait, 3.0, waiting.clock)
    assert abs(waiting.now - 3.0) < 1e-9
    assert not wait_watchfully(waiting.wait, 0.0, waiting.clock)
    assert abs(waiting.now - 3.0) < 1e-9


def test_the_main_thread_alone_looks_up_in_time():
    stretches = []
    thread = threading.Thread(target=lambda: stretches.extend([at_a_stretch(60.0), at_a_stretch(None)]))
    thread.start()
    thread.join()

    assert stretches == [60.0, None]
    assert [at_a_stretch(seconds) for seconds in (0.5, 60.0, None)] == [0.5, LONGEST, LONGEST]


def test_other_threads_wait_at_a_stretch():
    waiting = Waiting(ends_at=10.0)
    thread = threading.Thread(target=wait_watchfully, args=(waiting.wait, 60.0, waiting.clock))
    thread.start()
    thread.join()

    assert waiting.pieces == [60.0]
