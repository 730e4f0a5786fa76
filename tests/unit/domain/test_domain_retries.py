import pickle
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import GiveUp, Retry
from tidemill.domain.retries import RetryPolicy, spread_around_one


@given(
    attempt=st.integers(1, 10_000),
    chance=st.floats(0, 1),
    delay=st.floats(0, 1e6),
    backoff=st.floats(0.1, 10),
    jitter=st.floats(0, 2),
    spread=st.floats(0, 100),
    max_delay=st.none() | st.floats(0, 1e6),
)
def test_a_delay_is_never_negative_and_never_above_its_ceiling(
    attempt, chance, delay, backoff, jitter, spread, max_delay
):
    found = RetryPolicy(3, delay, backoff, max_delay, jitter, spread=spread).delay_after(attempt, chance)

    assert 0 <= found <= (365 * 86400 if max_delay is None else max_delay)


def test_backoff_and_jitter_grow_the_delay():
    found = RetryPolicy(5, delay=1.0, backoff=2.0, jitter=0.5, max_delay=5.0)

    assert [found.delay_after(n, 0.0) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    assert found.delay_after(1, 1.0) == 1.5
    assert [RetryPolicy(5, delay=(1.0, 7.0)).delay_after(n, 0.0) for n in (1, 2, 3)] == [1.0, 7.0, 7.0]


@given(factor=st.floats(0.001, 10), chance=st.floats(0, 1))
def test_a_spread_delay_stays_within_its_share_above(factor, chance):
    assert 0 <= spread_around_one(factor, chance) <= 1 + factor


@pytest.mark.parametrize("factor", [0.1, 0.3, 0.5, 1.0, 3.0])
def test_a_spread_delay_is_the_delay_on_average(factor):
    chance = random.Random(1)
    drawn = [spread_around_one(factor, chance.random()) for _ in range(20_000)]

    assert 0.98 <= sum(drawn) / len(drawn) <= 1.02
    assert max(drawn) > 1 + factor * 0.95
    assert min(drawn) < 1 - factor * 0.2


def test_the_ends_of_the_spread_are_prefect_s():
    # 0.3: from -log2(1 - 2 ** -1.3), about 0.75, to 1.3.
    assert spread_around_one(0.3, 0.0) == pytest.approx(0.751772, abs=1e-6)
    assert spread_around_one(0.3, 1.0) == pytest.approx(1.3)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        (0, 0.0),
        (2.5, 2.5),
        (timedelta(minutes=2), 120.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_a_delay_may_be_said_in_many_ways(said, seconds):
    assert Retry(delay=said).delay == seconds


def test_a_date_of_retry_after_is_counted_from_now():
    later = datetime.now(UTC) + timedelta(seconds=3600)

    assert 3500 < Retry(delay=format_datetime(later, usegmt=True)).delay <= 3600
    assert 3500 < Retry(delay=later.strftime("%a, %d %b %Y %H:%M:%S")).delay <= 3600


@pytest.mark.parametrize("said", [-1, float("nan"), float("inf"), True, "soon", "", "-5", [1]])
def test_what_is_no_delay_is_refused(said):
    with pytest.raises(ValueError, match="a delay must be a number of seconds"):
        Retry(delay=said)


def test_both_have_a_sentence_of_their_own_and_survive_another_process():
    assert str(GiveUp("no such customer")) == "no such customer"
    assert (str(GiveUp()), str(Retry())) == ("the task gave up", "the task asked to be tried again")

    again = pickle.loads(pickle.dumps(Retry("busy", delay=3)))

    assert (str(again), again.delay) == ("busy", 3.0)


def test_a_subclass_that_says_nothing_of_a_delay_has_none():
    class BusyError(Retry):
        def __init__(self, code):
            Exception.__init__(self, f"busy: {code}")

    assert BusyError(3).delay is None
