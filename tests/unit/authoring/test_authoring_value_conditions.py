import subprocess
import sys
from pathlib import Path

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState, Retrying

from tidemill.authoring.value_conditions import on_value
from tidemill.domain.retries import ASK_CONDITION


class Own(tenacity.retry_base):
    def __call__(self, retry_state):
        return retry_state.outcome.result() == 3


class Quieter(tenacity.retry_if_exception):
    """Looks at errors alone, in its own way."""

    def __init__(self):
        super().__init__(lambda error: "busy" in str(error))


class Louder(tenacity.retry_if_exception_type):
    def __call__(self, retry_state):
        return retry_state.outcome.result() == 2


ERRORS_ALONE = [
    tenacity.retry_if_exception_type(OSError),
    tenacity.retry_if_not_exception_type(OSError),
    tenacity.retry_if_exception(lambda error: True),
    tenacity.retry_if_exception_message(match="busy"),
    tenacity.retry_if_exception_cause_type(OSError),
    tenacity.retry_never,
    Quieter(),
]
SIMPLE = [
    tenacity.retry_if_result(lambda value: value > 1),
    tenacity.retry_if_not_result(lambda value: value > 2),
    tenacity.retry_unless_exception_type(OSError),
    tenacity.retry_if_not_exception_message(message="busy"),
    tenacity.retry_always,
]
STRANGE = [Own(), Louder(OSError), lambda state: state.outcome.result() == 1]

conditions = st.recursive(
    st.sampled_from([*ERRORS_ALONE, *SIMPLE, Own(), Louder(OSError)]),
    lambda inner: st.builds(lambda a, b: a | b, inner, inner) | st.builds(lambda a, b: a & b, inner, inner),
    max_leaves=5,
)


def by_tenacity(condition, value):
    state = RetryCallState(Retrying(), None, (), {})
    state.set_result(value)
    return bool(condition(state))


@given(condition=conditions, value=st.integers(0, 4))
def test_the_same_is_said_as_tenacity_would_say(condition, value):
    answer = on_value(condition)

    if answer is None:
        assert by_tenacity(condition, value) is False
    elif answer != ASK_CONDITION:
        assert answer(value) is by_tenacity(condition, value)


@pytest.mark.parametrize("condition", ERRORS_ALONE)
def test_what_looks_at_errors_alone_is_not_asked(condition):
    assert on_value(condition) is None
    assert on_value(condition & Own()) is None
    assert on_value(condition | condition) is None


@pytest.mark.parametrize("condition", SIMPLE)
def test_what_is_known_is_taken_apart(condition):
    assert callable(on_value(condition))
    assert callable(on_value(condition | ERRORS_ALONE[0]))


@pytest.mark.parametrize("condition", STRANGE)
def test_what_is_not_known_is_asked_itself(condition):
    assert on_value(condition) == ASK_CONDITION
    assert on_value(tenacity.retry_any(condition, SIMPLE[0])) == ASK_CONDITION


def test_a_condition_of_somebody_s_own_does_not_bring_tenacity_in():
    code = """
import sys
from tidemill.authoring.value_conditions import on_value
assert on_value(lambda state: True) == "ask"
assert "tenacity" not in sys.modules
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "daemon")}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=False).returncode == 0
