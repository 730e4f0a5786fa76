import pytest

from tidemill.engine.lookout import FIRST, LONGEST, Lookout


class World:
    """A clock, the processor time that was used, and the calls that have begun."""

    def __init__(self):
        self.now = self.used = 0.0
        self.begun = 1
        self.lookout = Lookout(lambda: self.now, lambda: self.used)

    def pause(self, *, begun=0, used=1.0, late=0.0):
        """Let a pause pass in which so many calls began and this share of a processor was used."""
        self.lookout.begin(self.begun)
        waited = self.lookout.pause + late
        self.now += waited
        self.used += used * waited
        self.begun += begun
        return self.lookout.end(self.begun)


@pytest.fixture
def world():
    return World()


def test_nobody_helps_where_calls_get_on_and_the_processor_is_taken(world):
    assert not any(world.pause(begun=40) for _ in range(100))


def test_one_more_helps_where_the_processor_is_free_however_fast_calls_get_on(world):
    assert world.pause(begun=3, used=0.1)


def test_one_more_helps_where_a_call_uses_the_processor_without_the_interpreter(world):
    assert world.pause(begun=0, used=1.0)


def test_none_helps_where_the_interpreter_is_held_and_nobody_can_have_it(world):
    assert not world.pause(begun=0, used=1.0, late=0.005)


def test_after_a_while_without_any_progress_one_more_begins_in_any_case(world):
    pauses = 0
    while not world.pause(begun=0, used=1.0, late=0.005):
        pauses += 1
    assert 3 < pauses < 20


def test_pauses_grow_while_nothing_is_to_be_done_and_are_short_again_when_something_was(world):
    lengths = []
    for _ in range(4):
        lengths.append(world.lookout.pause)
        world.pause(begun=40)
    assert lengths == [FIRST, 2 * FIRST, LONGEST, LONGEST]

    assert world.pause(used=0.0)
    assert world.lookout.pause == FIRST
