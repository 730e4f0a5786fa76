import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemill.domain.limits import Limit
from tidemill.limits.lanes import LONGEST, SHORTEST, UNCALLED, Waiter
from tidemill.limits.line import ATTENTION
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table


@pytest.fixture
def slots(tmp_path):
    write_table(tmp_path, {"database": Limit(1), "disk": Limit(1), "api": Limit(1, 10.0)})
    return Slots(tmp_path)


def test_whoever_has_no_limited_tag_waits_for_nothing(slots):
    assert Waiter(slots, ("nightly",)).take().grips == ()


def test_they_come_in_the_order_in_which_they_asked(slots):
    lease = Waiter(slots, ("disk",)).take()
    first, second = Waiter(slots, ("disk",)), Waiter(slots, ("disk",))
    assert first.take() is second.take() is None

    lease.release()

    assert second.take() is None
    lease = first.take()
    assert lease is not None
    lease.release()
    assert second.take() is not None


def test_only_the_first_looks_often(slots):
    Waiter(slots, ("disk",)).take()
    first, second = Waiter(slots, ("disk",)), Waiter(slots, ("disk",))
    pauses = []
    for _ in range(8):
        first.take()
        pauses.append(first.pause)
    second.take()

    assert pauses[0] == SHORTEST
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST
    assert second.pause == UNCALLED


def test_a_release_calls_the_first(slots):
    lease = Waiter(slots, ("disk",)).take()
    called = []
    for name in "abc":
        waiter = Waiter(slots, ("disk",))
        waiter.take()
        waiter.when_called(lambda name=name: called.append(name))

    lease.release()

    assert called == ["a"]


def test_a_release_between_asking_and_listening_is_not_missed(slots):
    lease = Waiter(slots, ("disk",)).take()
    waiter, called = Waiter(slots, ("disk",)), []
    waiter.take()
    lease.release()

    waiter.when_called(lambda: called.append("now"))

    assert called == ["now"]


def test_who_takes_calls_the_next(slots, tmp_path):
    write_table(tmp_path, {"disk": Limit(2)})
    leases = [Waiter(slots, ("disk",)).take() for _ in range(2)]
    first, second, called = Waiter(slots, ("disk",)), Waiter(slots, ("disk",)), []
    first.take()
    second.take()
    second.when_called(lambda: called.append("second"))
    for lease in leases:
        lease.release()
    assert called == []

    assert first.take() is not None

    assert called == ["second"]
    assert second.take() is not None


def test_who_gives_up_lets_the_next_be_first(slots):
    Waiter(slots, ("disk",)).take()
    first, second, called = Waiter(slots, ("disk",)), Waiter(slots, ("disk",)), []
    first.take()
    second.take()
    second.when_called(lambda: called.append("second"))

    first.leave()

    assert called == ["second"]
    assert second.pause < UNCALLED
    second.leave()
    assert slots.free("disk") == 0, "nobody waits any more"


def test_a_wait_for_a_rate_is_as_long_as_it_takes(slots):
    Waiter(slots, ("api",)).take()
    waiter = Waiter(slots, ("api",))
    assert waiter.take() is None

    assert 0 < waiter.pause <= 0.1


def test_what_runs_under_a_slot_does_not_wait_behind_those_who_wait_for_it(slots):
    flow = Waiter(slots, ("disk",)).take()
    task = Waiter(slots, ("disk",), under=flow.grips).take()
    others = [Waiter(slots, ("disk",), under=flow.grips) for _ in range(3)]
    assert [other.take() for other in others] == [None] * 3

    nested = Waiter(slots, ("disk",), under=(*task.grips, *flow.grips))

    assert nested.take() is not None


def test_a_limit_that_is_taken_away_lets_its_waiters_go(slots, tmp_path):
    Waiter(slots, ("disk",)).take()
    waiter = Waiter(slots, ("disk",))
    waiter.take()
    write_table(tmp_path, {})

    assert waiter.take() is not None


def test_whoever_does_not_look_is_passed_by_until_it_does(slots, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lease = Waiter(slots, ("disk",)).take()
    busy, patient = Waiter(slots, ("disk",)), Waiter(slots, ("disk",))
    busy.take()
    patient.take()
    lease.release()
    assert patient.take() is None

    now[0] += ATTENTION + 0.1

    lease = patient.take()
    assert lease is not None
    assert busy.take() is None
    lease.release()
    assert busy.take() is not None


def _somebody_waits(world):
    return bool(world.waiting)


def _something_is_held(world):
    return bool(world.held)


def _nothing_is_held(world):
    return not world.held


class ManyWaiters(RuleBasedStateMachine):
    """Any number of waiters for two limits: never more than there are, and in the end everybody had a turn."""

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = Path(tempfile.mkdtemp())
        self.limits = {"a": 2, "b": 1}
        self._write()
        self.slots = Slots(self.folder)
        self.waiting: list[tuple[Waiter, tuple[str, ...], int]] = []
        self.held: list[tuple[object, tuple[str, ...], int]] = []

    def _write(self):
        write_table(self.folder, {name: Limit(count) for name, count in self.limits.items()})

    def _ask(self, index):
        waiter, tags, occupy = self.waiting[index]
        lease = waiter.take()
        if lease is not None:
            del self.waiting[index]
            self.held.append((lease, tags, occupy))

    @rule(tags=st.sampled_from([("a",), ("b",), ("a", "b")]))
    def come(self, tags):
        self.waiting.append((Waiter(self.slots, tags), tags, 1))
        self._ask(len(self.waiting) - 1)

    @rule(which=st.integers(0, 100))
    @precondition(_somebody_waits)
    def ask_again(self, which):
        self._ask(which % len(self.waiting))

    @rule(which=st.integers(0, 100))
    @precondition(_somebody_waits)
    def give_up(self, which):
        self.waiting.pop(which % len(self.waiting))[0].leave()

    @rule(which=st.integers(0, 100))
    @precondition(_something_is_held)
    def release(self, which):
        self.held.pop(which % len(self.held))[0].release()

    @rule(count=st.integers(1, 3))
    @precondition(_nothing_is_held)
    def change(self, count):
        self.limits["a"] = count
        self._write()

    @invariant()
    def never_more_than_there_are(self):
        for name, count in self.limits.items():
            assert sum(occupy for _, tags, occupy in self.held if name in tags) <= count

    def teardown(self):
        for _ in range(len(self.waiting) + 1):
            while self.held:
                self.held.pop()[0].release()
            for waiter in list(self.waiting):
                self._ask(self.waiting.index(waiter))
        assert not self.waiting, "somebody never had a turn"


TestManyWaiters = ManyWaiters.TestCase
TestManyWaiters.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
