"""Whether a task of a declared graph begins, by what came of the tasks it depends on.

A condition is asked once, when all of them have ended. *Succeeded* is completed or cached; *failed* is failed,
timed_out, upstream_failed or crashed; skipped and cancelled are neither.

================= ================================ ==================================================
condition         the task begins when             else it ends as
================= ================================ ==================================================
``all_succeeded`` every one succeeded (default)    upstream_failed if one failed, else cancelled if
                                                   one was cancelled, else skipped
``any_succeeded`` at least one succeeded           the same
``none_failed``   every one succeeded or was       the same
                  skipped
``all_finished``  always
``any_failed``    at least one failed              skipped
``all_failed``    every one failed                 skipped
``none_skipped``  none was skipped                 skipped
================= ================================ ==================================================

So a task ends as upstream_failed only where a failure kept it from what it asked for, and skipping goes on downwards
through tasks that ask for success. The meanings are those of Airflow's trigger rules and Prefect 1's triggers.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from tidemill.domain.states import SUCCESSES, State


class Condition(StrEnum):
    """What a task asks of the tasks it depends on."""

    ALL_SUCCEEDED = "all_succeeded"
    ANY_SUCCEEDED = "any_succeeded"
    NONE_FAILED = "none_failed"
    ALL_FINISHED = "all_finished"
    ANY_FAILED = "any_failed"
    ALL_FAILED = "all_failed"
    NONE_SKIPPED = "none_skipped"


FAILURES: Final = frozenset({State.FAILED, State.TIMED_OUT, State.UPSTREAM_FAILED, State.CRASHED})
NEED_SOMETHING: Final = frozenset({Condition.ANY_SUCCEEDED, Condition.ANY_FAILED, Condition.ALL_FAILED})
"""Conditions that a task which depends on nothing can never meet."""
_ASK_FOR_SUCCESS: Final = frozenset({Condition.ALL_SUCCEEDED, Condition.ANY_SUCCEEDED, Condition.NONE_FAILED})


class _Tally(NamedTuple):
    total: int
    succeeded: int
    failed: int
    skipped: int


_MEETS: Final[Mapping[Condition, Callable[[_Tally], bool]]] = {
    Condition.ALL_SUCCEEDED: lambda tally: tally.succeeded == tally.total,
    Condition.ANY_SUCCEEDED: lambda tally: tally.succeeded > 0,
    Condition.NONE_FAILED: lambda tally: tally.succeeded + tally.skipped == tally.total,
    Condition.ALL_FINISHED: lambda _: True,
    Condition.ANY_FAILED: lambda tally: tally.failed > 0,
    Condition.ALL_FAILED: lambda tally: tally.failed == tally.total,
    Condition.NONE_SKIPPED: lambda tally: tally.skipped == 0,
}


def judge(condition: Condition, upstream: Iterable[State]) -> State | None:
    """Return None when a task begins after these ends of those it depends on, else the state in which it ends."""
    states = list(upstream)
    succeeded = sum(state in SUCCESSES for state in states)
    failed = sum(state in FAILURES for state in states)
    tally = _Tally(len(states), succeeded, failed, states.count(State.SKIPPED))
    if _MEETS[condition](tally):
        return None
    if condition in _ASK_FOR_SUCCESS:
        if failed:
            return State.UPSTREAM_FAILED
        if State.CANCELLED in states:
            return State.CANCELLED
    return State.SKIPPED
