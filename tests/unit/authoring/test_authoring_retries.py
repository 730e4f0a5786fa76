from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import stop_after_attempt, wait_fixed

from tidemill.authoring.retries import parse_retries
from tidemill.domain.errors import DefinitionError
from tidemill.domain.retries import NO_RETRIES, RetryPolicy


def policy(**options):
    return parse_retries(options, "task f")[0]


@pytest.mark.parametrize(
    "options",
    [
        {"retry": 3},
        {"retry": {"max_retries": 3}},
        {"retry_kwargs": {"max_retries": 3}},
        {"retries": 3},
    ],
)
def test_every_spelling_of_three_retries(options):
    assert policy(**options) == RetryPolicy(max_retries=3)


def test_nothing_said_is_no_retries():
    assert policy() is NO_RETRIES
    assert not policy(retry_delay_seconds=5).allows_any


def test_all_simple_keys():
    found, timeout = parse_retries(
        {
            "retry_kwargs": {
                "max_retries": 2,
                "delay": timedelta(seconds=3),
                "backoff": 2,
                "max_delay": 10,
                "jitter": 0.5,
                "on": [ValueError, KeyError],
                "timeout": 7,
            }
        },
        "task f",
    )

    assert found == RetryPolicy(2, 3.0, 2.0, 10.0, 0.5, (ValueError, KeyError))
    assert timeout == 7.0


def test_delays_may_be_a_list_or_a_function_of_the_number_of_retries():
    assert policy(retries=2, retry_delay_seconds=[1, 2]).delay == (1.0, 2.0)
    assert policy(retries=3, retry_delay_seconds=lambda n: [10] * n).delay == (10.0, 10.0, 10.0)


def test_tenacity_s_objects_are_kept():
    stop, wait = stop_after_attempt(3), wait_fixed(1)

    found = policy(retry_kwargs={"stop": stop, "wait": wait})

    assert found.allows_any
    assert (found.stop, found.wait) == (stop, wait)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"retry_kwargs": {"max_retry": 1}}, "did you mean 'max_retries'"),
        ({"retry_kwargs": {"retries": 1}}, "no key 'retries'"),
        ({"retry_kwargs": 3}, "must be a dict"),
        ({"retry": 1, "retry_kwargs": {"delay": 1}}, "give one of them"),
        ({"retries": 1, "retry_kwargs": {"max_retries": 1}}, "give one of them"),
        ({"retries": True}, "whole number"),
        ({"retries": 1.5}, "whole number"),
        ({"retry": "3"}, "whole number"),
        ({"retry_kwargs": {"delay": -1}}, "not negative"),
        ({"retry_kwargs": {"delay": float("nan")}}, "number of seconds"),
        ({"retry_kwargs": {"backoff": 0}}, "above 0"),
        ({"retry_kwargs": {"on": "ValueError"}}, "exception types"),
        ({"retry_kwargs": {"on": int}}, "exception types"),
        ({"retry_kwargs": {"stop": 3}}, "tenacity"),
        ({"retry_kwargs": {"wait": wait_fixed(1)}}, "never retries"),
    ],
)
def test_what_cannot_be_is_refused(options, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        policy(**options)


@given(
    attempt=st.integers(1, 10_000),
    chance=st.floats(0, 1),
    delay=st.floats(0, 1e6),
    backoff=st.floats(0.1, 10),
    jitter=st.floats(0, 2),
    max_delay=st.none() | st.floats(0, 1e6),
)
def test_a_delay_is_never_negative_and_never_above_its_ceiling(attempt, chance, delay, backoff, jitter, max_delay):
    found = RetryPolicy(3, delay, backoff, max_delay, jitter).delay_after(attempt, chance)

    assert 0 <= found <= (365 * 86400 if max_delay is None else max_delay)


def test_backoff_and_jitter_grow_the_delay():
    found = RetryPolicy(5, delay=1.0, backoff=2.0, jitter=0.5, max_delay=5.0)

    assert [found.delay_after(n, 0.0) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    assert found.delay_after(1, 1.0) == 1.5
    assert [RetryPolicy(5, delay=(1.0, 7.0)).delay_after(n, 0.0) for n in (1, 2, 3)] == [1.0, 7.0, 7.0]
