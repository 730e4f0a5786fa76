"""What a retry condition of tenacity's says of a returned value.

Most conditions look at errors alone, and to ask them about every value that is returned would cost more than most
tasks do. So each is taken apart once, when the task is declared.
"""

import sys
from collections.abc import Callable
from typing import Any

from tidemill.domain.retries import ASK_CONDITION

Answer = Callable[[Any], bool] | bool | str
"""A function of the value, or the same answer for all; ASK_CONDITION where only the condition itself can tell."""


def on_value(condition: Any) -> Callable[[Any], bool] | str | None:
    """Return how to ask *condition* about a value; None when it accepts every one."""
    answer = _answer(condition)
    if isinstance(answer, bool):
        return (lambda value: True) if answer else None
    return answer


def _answer(condition: Any) -> Answer:
    # Whoever made the condition has imported it.
    tenacity = sys.modules.get("tenacity.retry")
    if tenacity is None:
        return ASK_CONDITION
    kind = type(condition)
    if kind in (tenacity.retry_any, tenacity.retry_all):
        return _combined([_answer(part) for part in condition.retries], all_of=kind is tenacity.retry_all)
    if kind is tenacity.retry_if_result:
        return _asking(condition.predicate, rejects=True)
    if kind is tenacity.retry_if_not_result:
        return _asking(condition.predicate, rejects=False)
    # By what is executed, so that a subclass which changes only how errors are judged is known too.
    called = kind.__call__
    if called in (
        tenacity.retry_if_exception.__call__,
        tenacity.retry_if_exception_cause_type.__call__,
        type(tenacity.retry_never).__call__,
    ):
        return False
    if called in (
        tenacity.retry_unless_exception_type.__call__,
        tenacity.retry_if_not_exception_message.__call__,
        type(tenacity.retry_always).__call__,
    ):
        return True
    return ASK_CONDITION


def _asking(predicate: Callable[[Any], Any], *, rejects: bool) -> Callable[[Any], bool]:
    return lambda value: bool(predicate(value)) is rejects


def _combined(answers: list[Answer], *, all_of: bool) -> Answer:
    """Return the answer of several conditions that all, or any of which, must ask for another attempt."""
    decisive = not all_of
    if any(answer is decisive for answer in answers):
        return decisive
    asked = [answer for answer in answers if not isinstance(answer, bool)]
    if not asked:
        return all_of
    functions = [answer for answer in asked if callable(answer)]
    if len(functions) < len(asked):
        return ASK_CONDITION
    together = all if all_of else any
    return lambda value: together(function(value) for function in functions)
