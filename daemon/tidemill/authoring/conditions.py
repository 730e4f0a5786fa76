"""The condition of a task as its author wrote it."""

import inspect
from collections.abc import Callable
from typing import Any

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.conditions import Condition
from tidemill.domain.errors import DefinitionError


def parse_condition(given: Any, owner: str) -> Condition | Callable[[Any], bool] | None:
    """Return what *given* asks of the tasks that *owner* depends on, or refuse it; None: that all succeeded.

    A function is given a dict of their names and states, and says with True or False whether the task begins.
    """
    if given is None:
        return None
    names = [str(condition) for condition in Condition]
    if isinstance(given, str):
        if given in names:
            return None if given == Condition.ALL_SUCCEEDED else Condition(given)
        raise DefinitionError(f"{owner} has no condition {given!r}{did_you_mean(given, names)}")
    if callable(given) and not isinstance(given, type) and not inspect.iscoroutinefunction(given):
        return given  # type: ignore[no-any-return]
    raise DefinitionError(
        f"condition of {owner} must be one of {', '.join(names)}, or a plain function of the names and states"
        f" of the tasks it depends on; it is {given!r}"
    )
