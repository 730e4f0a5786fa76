import pytest

from tidemill.domain.limits import Limit
from tidemill.limits.ratefile import RateFile
from tidemill.limits.slotfile import Holder

API = Limit(10, 2.0)
ME = Holder(1)


class World:
    def __init__(self, path):
        self.now = 1_000_000.0
        self.file = RateFile(path, clock=lambda: self.now)
        self.file.refresh(make=True)

    def take(self, wanted=1, number=None):
        return self.file.take(API, wanted, number, ME) is not None


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "api.rate")


def test_a_burst_is_as_large_as_there_are_slots(world):
    assert [world.take() for _ in range(12)] == [True] * 10 + [False] * 2


def test_slots_come_back_with_time_and_not_otherwise(world):
    world.take(10)
    world.file.give_back(range(10))
    assert not world.take()

    world.now += 1.0

    assert [world.take() for _ in range(3)] == [True, True, False]


def test_no_more_come_back_than_were_taken(world):
    world.take(3)
    world.now += 86_400

    assert [world.take() for _ in range(11)] == [True] * 10 + [False]


def test_it_tells_how_long_to_wait(world):
    world.take(9)

    assert world.file.seconds_until(API, 1, None) == 0
    assert world.file.seconds_until(API, 4, None) == pytest.approx(1.5)
    world.now += 1.5
    assert world.take(4)


def test_who_came_before_is_served_before(world):
    world.take(10)
    world.file.join(1 << 40, 3)
    world.now += 1.5

    assert not world.take(1)
    assert world.take(3, number=1 << 40)
    assert world.file.seconds_until(API, 1, None) == pytest.approx(2.0)


def test_a_clock_that_is_set_back_opens_nothing_and_holds_nothing_up_for_long(world):
    world.take(10)
    world.now -= 3600
    assert not world.take()

    world.now += 3600.5

    assert world.take()


def test_a_taking_that_led_to_nothing_is_undone(world):
    world.file.refund(API, world.file.take(API, 4, None, ME))

    assert world.file.out(API) == 0


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 16, b"\x00" * 8 + b"\xff" * 8])
def test_a_spoilt_file_is_a_fresh_one(tmp_path, content):
    (tmp_path / "api.rate").write_bytes(content)

    assert World(tmp_path / "api.rate").take(10)


def test_it_outlives_the_process(world, tmp_path):
    world.take(8)

    assert World(tmp_path / "api.rate").file.out(API) == 8
