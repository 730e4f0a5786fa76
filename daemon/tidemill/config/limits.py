"""The ``[limits]`` table: names of the operator's own, each with how many may hold it, or how often it may be taken."""

import math
from typing import Any

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.limits import LONGEST_NAME, MOST_SLOTS, Limit


def convert_limit(name: str, value: Any) -> Limit:
    """Return the limit called *name*, or refuse it with a sentence that says what it takes and what it got."""
    if not name.strip() or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise ConfigurationError(f"a limit's name has 1 to {LONGEST_NAME} printable letters; {name!r} has not")
    if isinstance(value, dict):
        return _from_keys(name, value)
    return Limit(_slots(name, value))


def _from_keys(name: str, keys: dict[str, Any]) -> Limit:
    for key in keys:
        if key not in Limit._fields:
            raise ConfigurationError(
                f'limits.{name} takes slots and per_second, not {key}; a name with a dot goes in quotes: "{name}.{key}"'
            )
    if "slots" not in keys:
        raise ConfigurationError(
            f"limits.{name} lacks slots, how many may be taken at once: {{ slots = 10, per_second = 2 }}"
        )
    rate = keys.get("per_second")
    if rate is None:
        return Limit(_slots(name, keys["slots"]))
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate) or rate <= 0:
        raise ConfigurationError(f"limits.{name}: per_second must be a number above 0; it is {rate!r}")
    return Limit(_slots(name, keys["slots"]), float(rate))


def _slots(name: str, value: Any) -> int:
    if type(value) is not int:
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise ConfigurationError(
            f"limits.{name} takes a whole number, or {{ slots = 10, per_second = 2 }} for a rate; it is {shown}"
        )
    if not 1 <= value <= MOST_SLOTS:
        raise ConfigurationError(f"limits.{name} must lie between 1 and {MOST_SLOTS:,}; it is {value}")
    return value
