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
    assert pool.waiting == 0


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


class Judge:
    """Says in the place of a lookout whether one more thread would help."""

    pause = 0.001

    def __init__(self, helps):
        self.helps = helps
        self.asked = threading.Event()

    def begin(self, begun):
        pass

    def end(self, begun):
        self.asked.set()
        return self.helps


def test_one_thread_does_everything_while_no_other_would_help():
    judge = Judge(helps=False)
    pool, done = Pool(4, lookout=judge), []

    def call():
        done.append(threading.get_ident())
        judge.asked.wait(10)

    pool.work([call for _ in range(2000)], lambda: len(done) == 2000)
    pool.close()

    assert set(done) == {threading.get_ident()}


def test_threads_are_added_one_after_the_other_while_they_help():
    pool, together = Pool(8, lookout=Judge(helps=True)), threading.Barrier(8, timeout=10)
    done = []

    def call():
        together.wait()
        done.append(threading.get_ident())
        pool.wake()

    pool.work([call for _ in range(8)], lambda: len(done) == 8)
    pool.close()

    assert len(set(done)) == 8


def test_all_but_one_step_back_now_and_then_and_give_back_what_they_were_to_go_on_with():
    judge = Judge(helps=True)
    pool, done = Pool(2, lookout=judge), []
    together = threading.Barrier(2, timeout=10)

    def chain(left):
        if left == 5000:
            together.wait()
            judge.helps = False
        done.append(threading.get_ident())
        if not left:
            pool.wake()
        return (lambda: chain(left - 1)) if left else None

    pool.work([lambda: chain(5000), lambda: chain(5000)], lambda: len(done) == 10_002)
    pool.close()

    assert len(set(done)) == 2
    assert len(set(done[-4000:])) == 1


def test_a_call_may_be_the_owner_of_work_even_where_only_one_may_work():
    pool, done = Pool(1), []

    def outer():
        pool.work([lambda: done.append("inner")], lambda: "inner" in done)
        done.append("outer")
        return lambda: done.append("after")

    pool.work([outer], lambda: len(done) == 3)

    assert done == ["inner", "outer", "after"]
    assert not pool.has_member()


def test_whoever_waits_may_work_while_the_pool_s_own_threads_are_idle_but_no_more_than_the_limit():
    pool, begun, ended = Pool(1), threading.Event(), threading.Event()

    def call():
        begun.set()
        ended.wait(10)

    pool.put([call])
    assert begun.wait(10)
    assert not pool.join()
    ended.set()
    while not pool.join():
        pass
    assert pool.has_member()
    pool.leave()
    pool.close()

    assert not pool.has_member()


def test_the_next_call_is_left_to_who_is_expected_and_carried_out_when_nobody_comes():
    judge = Judge(helps=False)
    pool, done, ended = Pool(2, lookout=judge), [], threading.Event()

    def first():
        pool.expect()
        done.append("first")

    pool.put([first, lambda: done.append("second"), ended.set])
    assert ended.wait(10)
    pool.close()

    assert done == ["first", "second"]


def test_calls_are_carried_out_whenever_they_come():
    pool, done = Pool(3), threading.Semaphore(0)

    for _ in range(300):
        pool.put([done.release])
        assert done.acquire(timeout=10)
    pool.close()


def test_who_was_called_just_as_its_patience_ended_looks_whether_it_is_done(monkeypatch):
    pool, waits = Pool(1), []

    def wait(seconds):
        waits.append(seconds)
        return False

    monkeypatch.setattr(pool._changed, "wait", wait)
    pool.work([], lambda: len(waits) == 1)

    assert len(waits) == 1
