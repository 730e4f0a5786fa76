import subprocess
import sys
from pathlib import Path

import pytest
import tenacity

from retries_lab import tried
from tidemill.domain.errors import GiveUp, Retry
from tidemill.domain.retries import ASK_CONDITION, NO_RETRIES, RetryPolicy
from tidemill.engine.retrying import ASKED_LIMIT, RejectedValueError, Retries


def delays(policy, *errors):
    retries = Retries(policy)
    return [retries.delay_after(error) for error in errors]


def test_as_many_retries_as_the_policy_allows():
    assert delays(RetryPolicy(2, delay=1.0, backoff=3.0), *[ValueError()] * 3) == [1.0, 3.0, None]
    assert delays(NO_RETRIES, ValueError()) == [None]


def test_only_the_errors_that_are_named():
    named = RetryPolicy(5, on=(ValueError, KeyError))

    assert delays(named, ValueError()) == [0.0]
    assert delays(named, TypeError()) == [None]
    assert delays(RetryPolicy(5, on=lambda error: "busy" in str(error)), OSError("busy"), OSError("gone")) == [
        0.0,
        None,
    ]


def test_no_retry_of_what_is_not_an_exception_unless_it_is_named():
    assert delays(RetryPolicy(5), SystemExit()) == [None]
    assert delays(RetryPolicy(5, on=(SystemExit,)), SystemExit()) == [0.0]


def test_give_up_and_retry_go_before_the_policy():
    assert delays(RetryPolicy(5), GiveUp("no")) == [None]
    assert delays(RetryPolicy(1, on=(KeyError,)), Retry(delay=9.0), Retry(delay=9.0)) == [9.0, None]
    assert delays(NO_RETRIES, *[Retry(delay=1.0)] * (ASKED_LIMIT + 1))[-2:] == [1.0, None]
    assert delays(RetryPolicy(3, delay=2.0), Retry()) == [2.0]


def test_tenacity_s_strategies_decide_when_they_are_given():
    policy = RetryPolicy(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_incrementing(start=1, increment=2),
        retry=tenacity.retry_if_not_exception_type(KeyError),
    )

    assert delays(policy, ValueError(), ValueError(), ValueError()) == [1.0, 3.0, None]
    assert delays(policy, KeyError()) == [None]


def test_the_first_of_two_limits_counts():
    policy = RetryPolicy(1, stop=tenacity.stop_after_attempt(10))

    assert delays(policy, ValueError(), ValueError()) == [0.0, None]


@pytest.mark.parametrize("on_value", [lambda value: value is None, ASK_CONDITION])
def test_a_condition_on_the_value_asks_for_another_attempt(on_value):
    condition = tenacity.retry_if_result(lambda value: value is None)
    retries = Retries(RetryPolicy(2, delay=1.0, retry=condition, on_value=on_value))

    assert retries.objection(1) is None
    objections = [retries.objection(None) for _ in range(3)]
    assert [type(objection) for objection in objections] == [RejectedValueError] * 3
    assert [retries.delay_after(objection) for objection in objections] == [1.0, 1.0, None]


@pytest.mark.parametrize("on_value", [lambda value: value.missing, ASK_CONDITION])
def test_a_condition_that_fails_on_a_value_is_what_stands_against_it_and_ends_the_retries(on_value):
    policy = RetryPolicy(2, retry=lambda state: state.outcome.result().missing, on_value=on_value)
    retries = Retries(policy)

    objection = retries.objection(3)

    assert isinstance(objection, AttributeError)
    assert retries.delay_after(objection) is None


def test_another_attempt_is_asked_for_after_the_delay_that_is_asked_for():
    strategies = {"stop": tenacity.stop_after_attempt(3), "wait": tenacity.wait_fixed(60)}
    policy = RetryPolicy(**strategies, retry=tenacity.retry_never)

    assert delays(policy, Retry(delay=7), Retry(), Retry(delay=7)) == [7.0, 60.0, None]


def test_subclasses_of_both_mean_the_same():
    class BusyError(Retry, OSError):
        pass

    class GoneError(GiveUp, LookupError):
        pass

    assert delays(NO_RETRIES, BusyError(delay=2.0)) == [2.0]
    assert delays(RetryPolicy(5), GoneError("gone")) == [None]


def test_in_a_group_giving_up_wins_and_the_longest_delay_counts():
    asking = ExceptionGroup("some", [ValueError(), ExceptionGroup("more", [Retry(delay=2), Retry(delay=5), Retry()])])
    mixed = ExceptionGroup("some", [Retry(delay=2), ExceptionGroup("more", [GiveUp("no")])])

    assert delays(NO_RETRIES, asking) == [5.0]
    assert delays(RetryPolicy(5), mixed) == [None]
    assert delays(RetryPolicy(5, delay=3.0), ExceptionGroup("some", [ValueError()])) == [3.0]


def test_what_was_given_up_or_asked_for_in_a_cause_says_nothing():
    def caused(cause):
        try:
            raise RuntimeError from cause
        except RuntimeError as error:
            return error

    assert delays(RetryPolicy(5, delay=3.0), caused(GiveUp("no"))) == [3.0]
    assert delays(NO_RETRIES, caused(Retry(delay=1))) == [None]


def test_the_author_s_own_last_word_is_asked_only_where_another_attempt_is_allowed():
    asked = []

    def accepts(error):
        asked.append(str(error))
        return str(error) == "busy"

    retries = Retries(RetryPolicy(2, on=(OSError,)), tried(accepts=accepts))

    assert retries.delay_after(OSError("busy")) == 0.0
    assert retries.delay_after(ValueError("busy")) is None
    assert retries.delay_after(OSError("gone")) is None
    assert asked == ["busy", "gone"]
    exhausted = Retries(RetryPolicy(1), tried(accepts=accepts))
    assert [exhausted.delay_after(OSError("busy")) for _ in range(2)] == [0.0, None]
    assert asked == ["busy", "gone", "busy"]


def test_a_last_word_that_raises_is_a_no_and_told():
    warned = []
    retries = Retries(RetryPolicy(2), tried(accepts=lambda error: error.code > 3, warn=warned.append))

    assert retries.delay_after(OSError("busy")) is None
    assert len(warned) == 1
    assert "AttributeError" in warned[0]


def test_the_time_before_the_first_failure_counts():
    policy = RetryPolicy(stop=tenacity.stop_after_delay(10))

    assert Retries(policy, tried(spent=lambda: 9.0)).delay_after(OSError()) == 0.0
    assert Retries(policy, tried(spent=lambda: 11.0)).delay_after(OSError()) is None


def test_try_again_of_tenacity_s_is_an_attempt_more_whatever_the_condition_says():
    policy = RetryPolicy(1, on=(OSError,))

    assert delays(policy, tenacity.TryAgain(), tenacity.TryAgain()) == [0.0, None]
    assert delays(NO_RETRIES, tenacity.TryAgain()) == [None]


def test_a_spread_delay_lies_around_the_one_given():
    policy = RetryPolicy(1, delay=100.0, spread=0.3)
    drawn = [delays(policy, OSError())[0] for _ in range(200)]

    assert all(75 <= delay <= 130 for delay in drawn)
    assert len(set(drawn)) > 100


def test_tenacity_is_not_imported_before_the_first_failure():
    code = """
import sys
from tidemill import task
@task(retries=3)
def fine(): return 1
assert fine() == 1
assert "tenacity" not in sys.modules and "asyncio" not in sys.modules
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "daemon")}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=False).returncode == 0
