from tidemill.dispatcher.queue import PendingQueue
from tidemill.dispatcher.runs import ActiveRun


def run(uid: str, flow: str = "f", priority: int = 0) -> ActiveRun:
    return ActiveRun(uid=uid, flow=flow, priority=priority)


def drain(queue: PendingQueue, may_start=lambda run: True) -> list[str]:
    taken = []
    while (found := queue.take(may_start)) is not None:
        taken.append(found.uid)
    return taken


def test_runs_come_out_by_priority_then_by_arrival():
    queue = PendingQueue()
    for uid, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.add(run(uid, priority=priority))

    assert drain(queue) == ["b", "d", "a", "c"]


def test_runs_of_a_backfill_come_last_among_their_equals():
    queue = PendingQueue()
    for uid, trigger, priority in (("old", "backfill", 0), ("now", "schedule", 0), ("urgent", "backfill", 1)):
        queue.add(ActiveRun(uid=uid, flow="f", trigger=trigger, priority=priority))

    assert drain(queue) == ["urgent", "now", "old"]


def test_a_flow_at_its_limit_does_not_hold_back_another():
    queue = PendingQueue()
    queue.add(run("full1", "full"))
    queue.add(run("full2", "full"))
    queue.add(run("free", "free"))

    assert drain(queue, lambda r: r.flow == "free") == ["free"]
    assert queue.of_flow("full") == 2


def test_the_end_of_a_run_lets_exactly_the_oldest_parked_one_of_its_flow_compete():
    queue = PendingQueue()
    for uid in ("a", "b", "c"):
        queue.add(run(uid))
    assert drain(queue, lambda r: False) == []

    queue.unpark("f")

    assert drain(queue) == ["a"]
    assert [r.uid for r in queue] == ["b", "c"]


def test_a_cancelled_run_that_was_let_out_hands_its_turn_to_the_next():
    queue = PendingQueue()
    first, second = run("a"), run("b")
    queue.add(first)
    queue.add(second)
    drain(queue, lambda r: False)
    queue.unpark("f")

    assert queue.remove(first)

    assert drain(queue) == ["b"]


def test_a_removed_run_never_comes_out_and_is_removed_once():
    queue = PendingQueue()
    only = run("a")
    queue.add(only)

    assert queue.remove(only)
    assert not queue.remove(only)
    assert len(queue) == 0
    assert drain(queue) == []


def test_a_changed_limit_lets_all_parked_runs_compete():
    queue = PendingQueue()
    for uid in ("a", "b"):
        queue.add(run(uid))
    drain(queue, lambda r: False)

    queue.unpark_all("f")

    assert drain(queue) == ["a", "b"]
