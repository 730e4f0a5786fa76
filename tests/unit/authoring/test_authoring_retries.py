from datetime import timedelta

import pytest
from tenacity import retry_if_result, stop_after_attempt, wait_fixed

from tidemill.authoring.backoff import exponential_backoff
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
    assert policy(retries=3, retry_delay_seconds=lambda n: n / 2).delay == 1.5


def test_exponential_backoff_gives_prefect_s_numbers():
    assert exponential_backoff(backoff_factor=10)(5) == [10, 20, 40, 80, 160]
    assert exponential_backoff(0.5)(3) == [0.5, 1.0, 2.0]
    assert len(exponential_backoff(1)(80)) == 50
    assert policy(retries=3, retry_delay_seconds=exponential_backoff(10)).delay == (10.0, 20.0, 40.0)
    endless = policy(retry_kwargs={"stop": stop_after_attempt(3)}, retry_delay_seconds=exponential_backoff(1))
    assert endless.delay[:3] == (1.0, 2.0, 4.0)


def test_prefect_s_jitter_and_condition_have_fields_of_their_own():
    def wanted(task, task_run, state):
        return True

    found = policy(retries=1, retry_delay_seconds=4, retry_jitter_factor=0.5, retry_condition_fn=wanted)

    assert (found.spread, found.jitter, found.condition_fn) == (0.5, 0.0, wanted)
    assert found.delay_after(1, 1.0) == pytest.approx(6.0)


def test_tenacity_s_callbacks_are_kept():
    def told(state):
        pass

    found = policy(retry_kwargs={"max_retries": 1, "before": told, "after": told, "before_sleep": told})

    assert (found.before, found.after, found.before_sleep) == (told, told, told)


def test_none_says_nothing():
    assert policy(retry_kwargs={"max_retries": 2, "delay": None, "on": None, "stop": None, "backoff": None}) == (
        RetryPolicy(2)
    )


def test_tenacity_s_objects_are_kept():
    stop, wait = stop_after_attempt(3), wait_fixed(1)

    found = policy(retry_kwargs={"stop": stop, "wait": wait})

    assert found.allows_any
    assert (found.stop, found.wait) == (stop, wait)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"retry_kwargs": {"max_retry": 1}}, "no key 'max_retry'; did you mean 'max_retries'"),
        ({"retry_kwargs": {"before_slep": print}}, "did you mean 'before_sleep'"),
        ({"retry_kwargs": {"retries": 1}}, "no key 'retries'"),
        ({"retry_kwargs": {3: 1}}, "no key 3"),
        ({"retry_kwargs": {"reraise": True}}, "take no reraise: what the last attempt raised"),
        ({"retry_kwargs": {"retry_error_callback": print}}, "take no retry_error_callback: use on_failure"),
        ({"retry_kwargs": {"sleep": print}}, "take no sleep: the engine waits"),
        ({"retry_kwargs": 3}, "retry_kwargs of task f must be a dict; it is 3"),
        ({"retry_kwargs": [("max_retries", 3)]}, "must be a dict"),
        ({"retry": 1, "retry_kwargs": {"delay": 1}}, "both retry and retry_kwargs; give one of them"),
        ({"retries": 1, "retry_kwargs": {"max_retries": 1}}, "both retries and max_retries; give one of them"),
        ({"retry_delay_seconds": 1, "retry_kwargs": {"delay": 1}}, "both retry_delay_seconds and delay"),
        ({"retries": 1, "retry_jitter_factor": 1, "retry_kwargs": {"jitter": 1}}, "retry_jitter_factor and jitter"),
        ({"retry_kwargs": {"max_retries": 1, "wait": wait_fixed(1), "delay": 1}}, "both wait and delay"),
        ({"retry_kwargs": {"max_retries": 1, "wait": wait_fixed(1), "max_delay": 1}}, "both wait and max_delay"),
        ({"retry_kwargs": {"wait": wait_fixed(1)}, "retries": 1, "retry_jitter_factor": 1}, "wait and retry_jitter"),
        ({"retry_kwargs": {"max_retries": 1, "retry": retry_if_result(bool), "on": OSError}}, "both retry and on"),
        ({"retries": True}, "max_retries of task f must be a whole number, 0 or more; it is True"),
        ({"retries": 1.5}, "whole number"),
        ({"retries": -1}, "whole number, 0 or more; it is -1"),
        ({"retry": "3"}, "retry of task f must be a whole number"),
        ({"retry_kwargs": {"max_retries": "3"}}, "whole number"),
        ({"retry_kwargs": {"delay": -1}}, "not negative"),
        ({"retry_kwargs": {"delay": "1"}}, "delay of task f must be a number of seconds or a timedelta"),
        ({"retry_kwargs": {"delay": float("nan")}}, "number of seconds"),
        ({"retry_kwargs": {"delay": True}}, "number of seconds"),
        ({"retries": 1, "retry_delay_seconds": [1, -1]}, "not negative; it is -1"),
        ({"retries": 1, "retry_delay_seconds": lambda n: 1 / 0}, "function of the number of retries, failed: ZeroDiv"),
        ({"retries": 1, "retry_delay_seconds": lambda n: "soon"}, "number of seconds"),
        ({"retry_kwargs": {"max_delay": "1"}}, "max_delay of task f must be a number of seconds"),
        ({"retry_kwargs": {"backoff": 0}}, "backoff of task f must be a factor above 0; it is 0"),
        ({"retry_kwargs": {"backoff": float("inf")}}, "factor above 0"),
        ({"retry_kwargs": {"backoff": "2"}}, "factor above 0"),
        ({"retry_kwargs": {"jitter": -0.5}}, "jitter of task f must be a share of the delay"),
        ({"retry_kwargs": {"jitter": timedelta(seconds=1)}}, "share of the delay"),
        ({"retries": 1, "retry_jitter_factor": -1}, "retry_jitter_factor of task f must be a share of the delay"),
        ({"retry_kwargs": {"on": "ValueError"}}, "exception types"),
        ({"retry_kwargs": {"on": int}}, "exception types"),
        ({"retry_kwargs": {"on": []}}, "exception types"),
        ({"retry_kwargs": {"on": [ValueError, 3]}}, "exception types"),
        ({"retry_kwargs": {"timeout": -1}}, "timeout of task f must be a number of seconds"),
        ({"retry_kwargs": {"stop": 3}}, "stop object of tenacity; it is 3; a number of retries is called max_retries"),
        ({"retry_kwargs": {"stop": stop_after_attempt}}, "stop object of tenacity"),
        ({"retry_kwargs": {"max_retries": 1, "wait": 3}}, "it is 3; a number of seconds is called delay"),
        ({"retry_kwargs": {"max_retries": 1, "retry": OSError}}, "exception types are called on"),
        ({"retry_kwargs": {"max_retries": 1, "before_sleep": "log"}}, "before_sleep of task f must be a function"),
        ({"retries": 1, "retry_condition_fn": True}, "must be a function of the task, its run and its state"),
        ({"retry_kwargs": {"wait": wait_fixed(1)}}, "never retries: add max_retries or stop"),
    ],
)
def test_what_cannot_be_is_refused(options, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        policy(**options)
