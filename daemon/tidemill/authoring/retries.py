"""Turns the spellings of retries into a policy, or refuses them with the nearest known one."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError
from tidemill.domain.retries import NO_RETRIES, RetryPolicy

KEYS: Final = ("max_retries", "delay", "backoff", "max_delay", "jitter", "on", "timeout", "stop", "wait", "retry")
SPELLINGS: Final = ("retry", "retry_kwargs", "retries", "retry_delay_seconds", "retry_jitter_factor")
"""The options that say something about retries."""


def seconds(value: Any, what: str) -> float:
    """Return a duration, given as seconds or as a timedelta, in seconds; refuse negative ones."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
        raise DefinitionError(f"{what} must be a number of seconds or a timedelta, not negative; it is {value!r}")
    return float(number)


def count(value: Any, what: str) -> int:
    """Return a whole number that is not negative, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DefinitionError(f"{what} must be a whole number, 0 or more; it is {value!r}")
    return value


def parse_retries(options: Mapping[str, Any], owner: str) -> tuple[RetryPolicy, float | None]:
    """Return the policy that *options* of ``@task`` or ``@flow`` spell, and the attempt's time-out if it names one."""
    if options.keys().isdisjoint(SPELLINGS) or all(options.get(name) is None for name in SPELLINGS):
        return NO_RETRIES, None
    given = [key for key in ("retry", "retry_kwargs") if options.get(key) is not None]
    if len(given) == 2:
        raise DefinitionError(f"{owner} has both retry and retry_kwargs; give one of them")
    spelled = options[given[0]] if given else {}
    if given and given[0] == "retry" and not isinstance(spelled, Mapping):
        spelled = {"max_retries": count(spelled, f"retry of {owner}")}
    if not isinstance(spelled, Mapping):
        raise DefinitionError(f"{given[0]} of {owner} must be a dict; it is {spelled!r}")
    keys = dict(spelled)
    for theirs, ours in (
        ("retries", "max_retries"),
        ("retry_delay_seconds", "delay"),
        ("retry_jitter_factor", "jitter"),
    ):
        if options.get(theirs) is not None:
            if ours in keys:
                raise DefinitionError(f"{owner} has both {theirs} and {ours}; give one of them")
            keys[ours] = options[theirs]
    for key in keys:
        if key not in KEYS:
            raise DefinitionError(f"retries of {owner} have no key {key!r}{did_you_mean(str(key), KEYS)}")
    timeout = keys.pop("timeout", None)
    return _policy(keys, owner), None if timeout is None else seconds(timeout, f"timeout of {owner}")


def _policy(keys: dict[str, Any], owner: str) -> RetryPolicy:
    for name in ("stop", "wait", "retry"):
        if keys.get(name) is not None and not callable(keys[name]):
            raise DefinitionError(f"{name} of {owner} must be a {name} object of tenacity; it is {keys[name]!r}")
    max_retries = count(keys.get("max_retries") or 0, f"max_retries of {owner}")
    policy = RetryPolicy(
        max_retries=max_retries,
        delay=_delay(keys.get("delay"), max_retries, owner),
        backoff=_factor(keys.get("backoff", 1), f"backoff of {owner}"),
        max_delay=None if keys.get("max_delay") is None else seconds(keys["max_delay"], f"max_delay of {owner}"),
        jitter=seconds(keys.get("jitter") or 0, f"jitter of {owner}"),
        on=_condition(keys.get("on"), owner),
        stop=keys.get("stop"),
        wait=keys.get("wait"),
        retry=keys.get("retry"),
    )
    if not policy.allows_any and (policy.wait is not None or policy.retry is not None):
        raise DefinitionError(f"{owner} says how to retry, but never retries: add max_retries or stop")
    return policy


def _delay(value: Any, max_retries: int, owner: str) -> float | tuple[float, ...]:
    if value is None:
        return 0.0
    if callable(value):
        value = value(max_retries)
    if isinstance(value, list | tuple):
        return tuple(seconds(item, f"delay of {owner}") for item in value)
    return seconds(value, f"delay of {owner}")


def _factor(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise DefinitionError(f"{what} must be a factor above 0; it is {value!r}")
    return float(value)


def _condition(value: Any, owner: str) -> tuple[type[BaseException], ...] | Callable[[BaseException], bool] | None:
    if value is None:
        return None
    types = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    if types and all(isinstance(item, type) and issubclass(item, BaseException) for item in types):
        return types
    if callable(value) and not isinstance(value, type):
        predicate: Callable[[BaseException], bool] = value
        return predicate
    raise DefinitionError(f"on of {owner} must be exception types or a function of the exception; it is {value!r}")
