"""Named limits as whole runs meet them, with slots that are plain numbers."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.states import State


class PlainSlots:
    """Limits of whole numbers; what processes hold is said by the test."""

    def __init__(self, **limits):
        self.limits = limits
        self.outside = dict.fromkeys(limits, 0)
        self.holding: dict[str, set[str]] = {name: set() for name in limits}
        self.tickets: dict[int, tuple[str, ...]] = {}
        self.drawn = 0
        self.rates: dict[str, int] = {}

    def of(self, tags):
        return tuple(sorted(tag for tag in tags if tag in self.limits or tag in self.rates))

    def free(self, name, number=None):
        if name in self.rates:
            return self.rates[name]
        return self.limits[name] - self.outside[name] - len(self.holding[name])

    def join(self, names, occupy):
        self.drawn += 1
        self.tickets[self.drawn] = names
        return self.drawn

    def leave(self, number):
        del self.tickets[number]

    def runs_holding(self, name):
        return self.holding.get(name)

    def draw(self, names):
        rates = [name for name in names if name in self.rates]
        if any(self.rates[name] < 1 for name in rates):
            return False
        for name in rates:
            self.rates[name] -= 1
        return True

    def reason(self, names, coming):
        return f"waiting for {' and '.join(names)}, which {coming} take"


class World:
    def __init__(self, slots, max_runs=100):
        self.slots, self.launched, self.noted, self.ids = slots, [], [], 0
        self.dispatcher = Dispatcher(
            self, self, Path, slots=slots, max_runs=max_runs, cancel_grace=10, on_end=lambda run: None
        )

    # As records and as launcher

    def follow(self, run_id, uid, journal, offset=0): ...

    def settle(self, run, ending, status, done):
        done(ending.state)

    def note_state(self, run, state, note):
        self.noted.append((run.uid, state, note))

    def launch(self, run):
        self.launched.append(run.uid)

    # As a person

    def queue(self, uid, *tags, start=True, **fields):
        self.ids += 1
        run = ActiveRun(uid=uid, flow=fields.pop("flow", uid), tags=tags, **fields)
        self.dispatcher.admit(run)
        self.dispatcher.recorded(run, self.ids)
        if start:
            self.dispatcher.start_due()
        return run

    def arrive(self, *runs):
        """Let the processes of runs take their slots."""
        for run in runs:
            for name in set(run.tags) & self.slots.limits.keys():
                self.slots.holding[name].add(run.uid)

    def end(self, run):
        for holding in self.slots.holding.values():
            holding.discard(run.uid)
        self.dispatcher.exited(run.uid, 0)
        self.dispatcher.start_due()


@pytest.fixture
def world():
    return World(PlainSlots(database=1, disk=2))


def test_a_run_waits_while_another_holds_the_slot(world):
    first = world.queue("a", "database")
    world.arrive(first)
    world.queue("b", "database")
    assert world.launched == ["a"]

    world.end(first)

    assert world.launched == ["a", "b"]


def test_a_slot_is_taken_from_the_moment_of_the_launch(world):
    world.queue("a", "database")
    world.queue("b", "database")

    assert world.launched == ["a"], "though no process holds it yet"


def test_whoever_waits_holds_up_nobody_who_needs_something_else(world):
    for uid in "abc":
        world.queue(uid, "database", priority=9)
    world.queue("d", "disk")
    world.queue("e")

    assert world.launched == ["a", "d", "e"]


def test_priority_decides_then_arrival(world):
    first = world.queue("a", "database")
    for uid, priority in (("b", 0), ("c", 0), ("d", 5)):
        world.queue(uid, "database", priority=priority)

    for run in (first, *(world.dispatcher.find(uid) for uid in "dbc")):
        world.end(run)

    assert world.launched == ["a", "d", "b", "c"]


def test_a_slot_held_elsewhere_counts_and_is_looked_for_again(world):
    world.slots.outside["database"] = 1
    world.queue("a", "database")
    assert world.launched == []
    assert world.dispatcher.is_held_back

    world.slots.outside["database"] = 0
    world.dispatcher.start_due()

    assert world.launched == ["a"]


def test_why_it_waits_is_noted_once(world):
    world.queue("a", "database")
    world.queue("b", "database")
    world.dispatcher.start_due()

    assert world.noted == [("b", None, "waiting for database, which {'database': ['a']} take")]


def test_a_run_that_needs_two_is_not_passed_by_for_ever(world):
    world.slots.limits["disk"] = 1
    first, second = world.queue("a", "database"), world.queue("b", "disk")
    both = world.queue("both", "database", "disk")
    world.arrive(first, second)
    world.queue("c", "database")
    world.end(first)
    assert world.launched == ["a", "b"], "the database is kept for the run that came before"
    world.queue("d", "disk")

    world.end(second)

    assert world.launched == ["a", "b", "both"]
    world.end(both)
    assert world.launched == ["a", "b", "both", "c", "d"]


def test_what_is_kept_for_one_does_not_stop_those_for_whom_there_is_enough(world):
    world.queue("a", "database")
    world.queue("both", "database", "disk")
    world.queue("b", "disk")
    world.queue("c", "disk")

    assert world.launched == ["a", "b"]


def test_a_ticket_stands_for_those_who_wait_until_the_run_holds_its_slot(world):
    world.slots.outside["database"] = 1
    run = world.queue("a", "database")
    assert list(world.slots.tickets.values()) == [("database",)]
    world.slots.outside["database"] = 0
    world.dispatcher.start_due()
    assert world.launched == ["a"]
    assert list(world.slots.tickets.values()) == [("database",)]

    world.arrive(run)
    world.dispatcher.start_due()

    assert world.slots.tickets == {}
    assert not world.dispatcher.is_held_back


def test_after_each_turn_a_new_ticket_is_drawn(world):
    world.slots.outside["database"] = 1
    run = world.queue("a", "database")
    world.queue("b", "database")
    world.slots.outside["database"] = 0
    world.dispatcher.start_due()
    world.arrive(run)
    world.dispatcher.start_due()

    assert world.slots.tickets == {2: ("database",)}


def test_a_run_that_died_before_it_held_its_slot_blocks_nobody(world):
    first = world.queue("a", "database")
    world.queue("b", "database")

    world.end(first)

    assert world.launched == ["a", "b"]


def test_a_cancelled_run_leaves_the_line(world):
    world.slots.outside["database"] = 1
    world.queue("a", "database")

    assert world.dispatcher.cancel("a", "by hand") is State.CANCELLED
    world.dispatcher.start_due()

    assert world.slots.tickets == {}


def test_a_rate_paces_starts(world):
    world.slots.rates["api"] = 2
    for uid in "abc":
        world.queue(uid, "api")
    assert world.launched == ["a", "b"]

    world.slots.rates["api"] = 1
    world.dispatcher.start_due()

    assert world.launched == ["a", "b", "c"]
    assert world.slots.rates["api"] == 0


def test_a_flow_that_is_full_keeps_no_slot_from_others(world):
    first = world.queue("a1", "disk", flow="a", limit=1)
    world.arrive(first)
    world.queue("a2", "disk", flow="a", limit=1)
    world.queue("b", "disk")

    assert world.launched == ["a1", "b"]


def test_changed_tags_and_limits_concern_those_who_wait(world):
    world.queue("a", "database")
    world.queue("b", "database")
    world.dispatcher.flow_changed("b", None, ())
    world.dispatcher.start_due()
    assert world.launched == ["a", "b"]

    world.queue("c", "database")
    del world.slots.limits["database"]
    world.dispatcher.limits_changed()
    world.dispatcher.start_due()

    assert world.launched == ["a", "b", "c"]


def test_nothing_is_looked_at_again_where_nothing_is_held_back(world):
    world.queue("a", "database")

    assert not world.dispatcher.is_held_back


def _some_live(machine):
    return bool(machine.live())


def _some_wait(machine):
    return machine.world.dispatcher.queued > 0


def test_limits_that_cannot_be_looked_up_hold_up_only_those_who_need_them(world, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    for name in ("free", "join", "runs_holding", "reason"):
        monkeypatch.setattr(world.slots, name, fail)
    world.queue("a", "database")
    world.queue("b")
    assert world.launched == ["b"]
    assert "No space left" in world.noted[0][2]

    monkeypatch.undo()
    world.dispatcher.start_due()

    assert world.launched == ["b", "a"]


class ManyRuns(RuleBasedStateMachine):
    """Runs of all kinds: never too many at once, none lost, none out of its order."""

    TAGS = st.sampled_from([(), ("a",), ("b",), ("a", "b"), ("a", "other")])

    def __init__(self):
        super().__init__()
        self.slots = PlainSlots(a=2, b=1)
        self.world = World(self.slots, max_runs=5)
        self.runs: list[ActiveRun] = []

    def live(self):
        return [run for run in self.runs if run.launched and not run.gone]

    def has_coming(self, name):
        return any(name in run.tags and run.uid not in self.slots.holding[name] for run in self.live())

    @rule(tags=TAGS, priority=st.sampled_from([0, 0, 7]), flow=st.sampled_from("xyz"), is_alone=st.booleans())
    def queue(self, tags, priority, flow, is_alone):
        run = self.world.queue(
            f"r{len(self.runs)}",
            *tags,
            flow=f"{flow}{''.join(tags)}",
            priority=priority,
            limit=1 if is_alone else None,
            start=False,
        )
        self.runs.append(run)

    @rule()
    def look(self):
        self.world.dispatcher.start_due()

    @rule(which=st.integers(0, 100))
    @precondition(_some_live)
    def arrive(self, which):
        live = self.live()
        self.world.arrive(live[which % len(live)])

    @rule(which=st.integers(0, 100))
    @precondition(_some_live)
    def end(self, which):
        live = self.live()
        self.world.end(live[which % len(live)])

    @rule(which=st.integers(0, 100))
    @precondition(_some_wait)
    def cancel(self, which):
        waiting = [run for run in self.runs if not run.launched and not run.gone]
        self.world.dispatcher.cancel(waiting[which % len(waiting)].uid, "by hand")

    @rule(name=st.sampled_from("ab"))
    def take_outside(self, name):
        if self.slots.free(name) > 0 and not self.has_coming(name):
            self.slots.outside[name] += 1

    @rule(name=st.sampled_from("ab"))
    def release_outside(self, name):
        self.slots.outside[name] = max(0, self.slots.outside[name] - 1)

    @invariant()
    def never_more_than_there_are(self):
        for name, count in self.slots.limits.items():
            assert sum(name in run.tags for run in self.live()) + self.slots.outside[name] <= count
        assert len(self.live()) <= 5

    @invariant()
    def in_their_order(self):
        order = {uid: place for place, uid in enumerate(self.world.launched)}
        for first, second in zip(self.runs, self.runs[1:], strict=False):
            if (first.flow, first.tags, first.priority, first.limit) == (
                second.flow,
                second.tags,
                second.priority,
                second.limit,
            ) and second.uid in order:
                assert first.gone or first.uid in order

    def teardown(self):
        self.slots.outside = dict.fromkeys(self.slots.outside, 0)
        for _ in range(2 * len(self.runs) + 2):
            self.world.dispatcher.start_due()
            for run in self.live():
                self.world.end(run)
        assert self.world.dispatcher.queued == 0
        assert sorted(self.world.launched) == sorted(run.uid for run in self.runs if run.state is not State.CANCELLED)
        self.world.dispatcher.start_due()
        assert self.slots.tickets == {}


TestManyRuns = ManyRuns.TestCase
TestManyRuns.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
