"""Turns the spellings of retries into a policy, or refuses them with the nearest known one."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError
from tidemill.domain.retries import MOST_DELAYS, NO_RETRIES, RetryPolicy

STRATEGIES: Final = ("stop", "wait", "retry")
CALLBACKS: Final = ("before", "after", "before_sleep")
KEYS: Final = ("max_retries", "delay", "backoff", "max_delay", "jitter", "on", "timeout", *STRATEGIES, *CALLBACKS)
"""What ``retry_kwargs`` takes."""
ELSEWHERE: Final = {
    "reraise": "what the last attempt raised is always what the task fails with",
    "retry_error_cls": "what the last attempt raised is always what the task fails with",
    "retry_error_callback": "use on_failure, or catch the error where the task is called",
    "sleep": "the engine waits, so that a wait can be cancelled and holds no thread",
    "name": "attempts are logged under the task's own name",
    "enabled": "leave the retries out instead",
}
"""Keys of tenacity's ``Retrying`` that are the engine's own business, and what to do instead."""
THEIRS: Final = {
    "retries": "max_retries",
    "retry_delay_seconds": "delay",
    "retry_jitter_factor": "spread",
    "retry_condition_fn": "condition_fn",
}
"""Prefect's options, and what each is called in a policy."""
SPELLINGS: Final = ("retry", "retry_kwargs", *THEIRS)
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
    keys = _spelled(options, owner)
    timeout = keys.pop("timeout", None)
    _refuse_contradictions(keys, owner)
    return _policy(keys, owner), None if timeout is None else seconds(timeout, f"timeout of {owner}")


def _spelled(options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return what is given, under the policy's own names; None says nothing."""
    given = [key for key in ("retry", "retry_kwargs") if options.get(key) is not None]
    if len(given) == 2:
        raise DefinitionError(f"{owner} has both retry and retry_kwargs; give one of them")
    spelled = options[given[0]] if given else {}
    if given and given[0] == "retry" and not isinstance(spelled, Mapping):
        spelled = {"max_retries": count(spelled, f"retry of {owner}")}
    if not isinstance(spelled, Mapping):
        raise DefinitionError(f"{given[0]} of {owner} must be a dict; it is {spelled!r}")
    for key in spelled:
        if key in ELSEWHERE:
            raise DefinitionError(f"retries of {owner} take no {key}: {ELSEWHERE[key]}")
        if key not in KEYS:
            raise DefinitionError(f"retries of {owner} have no key {key!r}{did_you_mean(str(key), KEYS)}")
    keys = {key: value for key, value in spelled.items() if value is not None}
    for theirs, ours in THEIRS.items():
        if options.get(theirs) is not None:
            if ours in keys:
                raise DefinitionError(f"{owner} has both {theirs} and {ours}; give one of them")
            keys[ours] = options[theirs]
    return keys


def _refuse_contradictions(keys: Mapping[str, Any], owner: str) -> None:
    """Refuse two answers to one question."""
    words = {ours: theirs for theirs, ours in THEIRS.items() if ours not in KEYS}
    for strategy, others in (
        ("wait", ("delay", "backoff", "max_delay", "jitter", "spread")),
        ("retry", ("on",)),
        ("spread", ("jitter",)),
    ):
        for other in others:
            if strategy in keys and other in keys:
                both = f"{words.get(strategy, strategy)} and {words.get(other, other)}"
                raise DefinitionError(f"retries of {owner} have both {both}; give one of them")


def _policy(keys: dict[str, Any], owner: str) -> RetryPolicy:
    for name in (*STRATEGIES, *CALLBACKS, "condition_fn"):
        if name in keys:
            _check_callable(name, keys[name], owner)
    max_retries = count(keys.get("max_retries", 0), f"max_retries of {owner}")
    policy = RetryPolicy(
        max_retries=max_retries,
        delay=_delay(keys.get("delay", 0.0), max_retries or MOST_DELAYS * ("stop" in keys), owner),
        backoff=_factor(keys.get("backoff", 1), f"backoff of {owner}"),
        max_delay=seconds(keys["max_delay"], f"max_delay of {owner}") if "max_delay" in keys else None,
        jitter=_share(keys.get("jitter", 0), f"jitter of {owner}"),
        on=_condition(keys["on"], owner) if "on" in keys else None,
        on_value=_on_value(keys["retry"]) if "retry" in keys else None,
        spread=_share(keys.get("spread", 0), f"retry_jitter_factor of {owner}"),
        **{name: keys.get(name) for name in (*STRATEGIES, *CALLBACKS, "condition_fn")},
    )
    if not policy.allows_any and (policy.wait is not None or policy.retry is not None):
        raise DefinitionError(f"{owner} says how to retry, but never retries: add max_retries or stop")
    return policy


def _on_value(condition: Any) -> Any:
    # Few flows have such a condition.
    from tidemill.authoring.value_conditions import on_value

    return on_value(condition)


def _check_callable(name: str, value: Any, owner: str) -> None:
    if callable(value) and not isinstance(value, type):
        return
    if name == "condition_fn":
        raise DefinitionError(
            f"retry_condition_fn of {owner} must be a function of the task, its run and its state; it is {value!r}"
        )
    if name in CALLBACKS:
        raise DefinitionError(f"{name} of {owner} must be a function of tenacity's call state; it is {value!r}")
    hint = "; a number of seconds is called delay" if name == "wait" and isinstance(value, int | float) else ""
    hint = "; a number of retries is called max_retries" if name == "stop" and isinstance(value, int) else hint
    hint = "; exception types are called on" if name == "retry" and isinstance(value, type | tuple) else hint
    raise DefinitionError(f"{name} of {owner} must be a {name} object of tenacity; it is {value!r}{hint}")


def _delay(value: Any, retries: int, owner: str) -> float | tuple[float, ...]:
    if callable(value):
        try:
            value = value(retries)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise DefinitionError(f"delay of {owner}, a function of the number of retries, failed: {reason}") from error
    if isinstance(value, list | tuple):
        return tuple(seconds(item, f"delay of {owner}") for item in value)
    return seconds(value, f"delay of {owner}")


def _factor(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise DefinitionError(f"{what} must be a factor above 0; it is {value!r}")
    return float(value)


def _share(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DefinitionError(f"{what} must be a share of the delay such as 0.5, not negative; it is {value!r}")
    return float(value)


def _condition(value: Any, owner: str) -> tuple[type[BaseException], ...] | Callable[[BaseException], bool]:
    types = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    if types and all(isinstance(item, type) and issubclass(item, BaseException) for item in types):
        return types
    if callable(value) and not isinstance(value, type):
        predicate: Callable[[BaseException], bool] = value
        return predicate
    raise DefinitionError(f"on of {owner} must be exception types or a function of the exception; it is {value!r}")
