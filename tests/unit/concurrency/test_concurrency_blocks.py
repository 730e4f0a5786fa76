import asyncio
import logging
import threading
from operator import truediv

import pytest

from tidemill.concurrency import asking
from tidemill.concurrency.asyncio import concurrency as concurrency_async
from tidemill.concurrency.asyncio import rate_limit as rate_limit_async
from tidemill.concurrency.sync import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    concurrency,
    rate_limit,
)
from tidemill.domain.limits import Limit
from tidemill.limits.here import HERE
from tidemill.limits.table import write_table


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    monkeypatch.setattr(asking, "_warned", set())
    yield
    HERE.use("", "", "")


@pytest.fixture
def slots(tmp_path):
    write_table(tmp_path, {"database": Limit(2), "disk": Limit(1), "api": Limit(2, 0.001)})
    HERE.use(str(tmp_path), "k3fq8z2m5a", "nightly")
    return HERE.slots


def test_a_block_holds_its_slots_and_gives_them_back_whatever_happens(slots):
    with concurrency("database", occupy=2):
        assert slots.free("database") == 0
        assert slots.holders("database")[0].part == "code of the flow"
    with pytest.raises(ZeroDivisionError), concurrency(["database", "disk"]):
        truediv(slots.free("database"), slots.free("disk"))

    assert (slots.free("database"), slots.free("disk")) == (2, 1)


def test_the_async_block_does_the_same(slots):
    async def work():
        async with concurrency_async("disk"):
            return slots.free("disk")

    assert asyncio.run(work()) == 0
    assert slots.free("disk") == 1


@pytest.mark.parametrize("limits", [{"timeout_seconds": 0}, {"max_retries": 0}])
def test_a_wait_that_is_too_long_says_who_holds_what_is_wanted(slots, limits):
    slots.take(("disk",), part="task save")

    with pytest.raises(AcquireConcurrencySlotTimeoutError) as caught, concurrency("disk", **limits):
        pass

    assert isinstance(caught.value, TimeoutError)
    assert "could not get a slot of limit 'disk' (1 of 1 held by run k3fq8z2m5a (task save))" in str(caught.value)
    assert slots.take(("database",)) is not None
    assert slots.held("disk") == 1


def test_who_gave_up_stands_in_nobodys_way(slots):
    lease = slots.take(("disk",))
    with pytest.raises(TimeoutError), concurrency("disk", timeout_seconds=0):
        pass

    lease.release()

    assert slots.free("disk") == 1


def test_a_release_in_another_thread_lets_the_waiting_one_in(slots):
    lease = slots.take(("disk",))
    waiting = threading.Event()
    slots.lanes.enter, enter = lambda key, waiter: (enter(key, waiter), waiting.set()), slots.lanes.enter
    order = []

    def work():
        with concurrency("disk"):
            order.append("in")

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(10)
    order.append("out")
    lease.release()
    thread.join(10)

    assert order == ["out", "in"]


def test_a_block_inside_a_block_does_not_wait_for_itself(slots):
    with concurrency("disk"), concurrency("disk", timeout_seconds=0):
        assert slots.held("disk") == 1


def test_an_unknown_limit_limits_nothing_and_says_so_once(slots, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with concurrency("databse"):
                pass

    assert [record.getMessage() for record in caplog.records] == [
        "nothing is limited by 'databse': there is no such limit in [limits] of tidemill.toml; did you mean 'database'?"
    ]


def test_strict_refuses_an_unknown_limit(slots):
    with (
        pytest.raises(ConcurrencySlotAcquisitionError, match="did you mean 'database'"),
        concurrency("databse", strict=True),
    ):
        pass
    with pytest.raises(ConcurrencySlotAcquisitionError, match="no slot of 'nothing' is to be had"):
        rate_limit("nothing", strict=True)


def test_in_plain_python_nothing_is_limited_and_it_says_so_once(caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with concurrency("database"):
                rate_limit("database")

    assert [record.getMessage() for record in caplog.records] == [
        "nothing is limited by 'database': no limits are known outside of a run of tidemill"
    ]


@pytest.mark.parametrize("occupy", [3, 0, -1, 1.5])
def test_what_can_never_be_had_is_refused(slots, occupy):
    with pytest.raises((ConcurrencySlotAcquisitionError, ValueError)), concurrency("database", occupy=occupy):
        pass
    assert slots.free("database") == 2


def test_a_rate_gives_a_burst_and_then_waits(slots):
    rate_limit("api")
    asyncio.run(rate_limit_async("api"))

    with pytest.raises(TimeoutError, match="none is left"):
        rate_limit("api", timeout_seconds=0)
    assert slots.held("api") == 2


def test_a_limit_without_a_rate_is_no_rate(slots):
    with pytest.raises(
        ConcurrencySlotAcquisitionError, match=r"limit 'database' is no rate: .*database = \{ slots = 2"
    ):
        rate_limit("database")
