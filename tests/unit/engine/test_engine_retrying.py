import subprocess
import sys
from pathlib import Path

import tenacity

from tidemill.domain.errors import GiveUp, Retry
from tidemill.domain.retries import NO_RETRIES, RetryPolicy
from tidemill.engine.retrying import ASKED_LIMIT, Retries


def delays(policy, *errors):
    retries = Retries(policy)
    return [retries.delay_after_error(error) for error in errors]


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


def test_a_condition_on_the_value_asks_for_another_attempt():
    retries = Retries(RetryPolicy(2, delay=1.0, retry=tenacity.retry_if_result(lambda value: value is None)))

    assert not retries.rejects(1)
    assert retries.rejects(None)
    assert [retries.delay_after_value(None) for _ in range(3)] == [1.0, 1.0, None]


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
