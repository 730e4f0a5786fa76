import threading

from tidemill.engine.pool import Pool
from tidemill.limits.turns import Turn


def test_the_owner_alone_does_everything_when_one_may_work():
    pool, done = Pool(1), []

    pool.work([lambda n=n: done.append((n, threading.get_ident())) for n in range(5)], lambda: len(done) == 5)

    assert done == [(n, threading.get_ident()) for n in range(5)]


def test_a_call_s_successor_follows_in_the_same_thread():
    pool, done = Pool(4), []

    def step(n):
        done.append(threading.get_ident())
        return (lambda: step(n - 1)) if n else None

    pool.work([lambda: step(50)], lambda: len(done) == 51)

    assert set(done) == {threading.get_ident()}


def test_as_many_calls_at_once_as_the_limit_and_no_more():
    pool, done, together = Pool(3), [], threading.Barrier(3, timeout=10)
    busy = threading.Semaphore(3)

    def call():
        assert busy.acquire(blocking=False)
        together.wait()
        busy.release()
        done.append(1)
        pool.wake()

    pool.work([call for _ in range(9)], lambda: len(done) == 9)
    pool.close()

    assert len(done) == 9


def test_what_is_due_later_waits_for_its_moment_and_keeps_the_order():
    now = [0.0]
    pool, done = Pool(1, clock=lambda: now[0]), []

    def first():
        pool.put_later(2.0, lambda: done.append("two"))
        pool.put_later(1.0, lambda: done.append("one"))
        now[0] = 5.0

    pool.work([first], lambda: len(done) == 2)

    assert done == ["one", "two"]


def test_whoever_waits_for_a_turn_begins_when_it_is_called_and_only_once():
    pool, done, listeners = Pool(1, clock=lambda: 0.0), [], []

    def first():
        pool.put_later(Turn(0.1, 60.0, listeners.append), lambda: done.append("called"))
        listeners[0]()
        listeners[0]()

    pool.work([first], lambda: len(done) == 1)

    assert done == ["called"]
    assert not pool.has_waiting


def test_a_turn_that_is_not_called_waits_with_patience():
    now = [0.0]
    pool, done = Pool(1, clock=lambda: now[0]), []

    def first():
        pool.put_later(Turn(0.1, 5.0, lambda call: None), lambda: done.append(now[0]))
        pool.put_later(4.0, lambda: done.append("before"))
        now[0] = 4.5
        pool.put_later(0.0, lambda: now.__setitem__(0, 5.5))

    pool.work([first], lambda: len(done) == 2)

    assert done == ["before", 5.5]


def test_a_closed_pool_begins_nothing():
    pool = Pool(1)
    pool.close()

    pool.work([lambda: 1 / 0], lambda: False)
