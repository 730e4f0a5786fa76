"""Turns the values that were given for parameters into the types their functions ask for.

Values come from a command line, a schedule or JSON, so ``"3"`` is a good int and ``"2026-11-22"`` a good date.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any, Final, get_args, get_origin

import msgspec

from tidemill.authoring.signatures import Parameter
from tidemill.domain.errors import ParameterError
from tidemill.domain.texts import TRUTHS


def convert(value: Any, parameter: Parameter, owner: str) -> Any:
    """Return *value* as the type of *parameter*, or refuse it with the name of both."""
    wanted = _wanted(parameter)
    if value is parameter.default:
        return convert_default(parameter, owner)
    if _is_wanted(value, wanted):
        return value
    try:
        return _convert(value, wanted)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        if parameter.annotation is Any:
            return value
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        shown = "what was given" if _is_secret(wanted) else repr(value)
        message = f"parameter {parameter.name!r} of {owner} must be {parameter.written}, and {shown} is not: {reason}"
        raise ParameterError(message) from None
    except TypeError:
        # A type that msgspec cannot look into: the function will have to cope, as it does in plain Python.
        return value


def convert_default(parameter: Parameter, owner: str) -> Any:
    """Return the default of *parameter* as its type, or as it is where it cannot be that: None, or a mark."""
    default, wanted = parameter.default, _wanted(parameter)
    if default is None or _is_wanted(default, wanted):
        return default
    with suppress(ParameterError):
        return convert(default, parameter._replace(default=None), owner)
    return default


def _is_wanted(value: Any, wanted: Any) -> bool:
    """Tell whether there is nothing to convert; a truth value is no number, and a moment no day."""
    return wanted is Any or (_is_instance(value, wanted) and not (wanted is int or wanted is date))


def _wanted(parameter: Parameter) -> Any:
    if parameter.annotation is not Any:
        return parameter.annotation
    # Without an annotation the default tells: "3" for limit=10 is meant as a number.
    return type(parameter.default) if type(parameter.default) in (bool, int, float) else Any


def _is_instance(value: Any, wanted: Any) -> bool:
    try:
        return isinstance(value, wanted)
    except TypeError:
        return False


def _convert(value: Any, wanted: Any) -> Any:
    if "pydantic" in sys.modules:
        from tidemill.authoring.models import is_for_pydantic, validate

        if is_for_pydantic(wanted):
            return _or_typed(lambda given: validate(given, wanted), value)
    if wanted in _BY_HAND and type(value) in (str, bool, datetime):
        with suppress(ValueError, KeyError):
            return _BY_HAND[wanted](value)
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=_decode)
    except msgspec.ValidationError:
        # Most values are what is wanted.
        import json

        if isinstance(value, bool | int | float):
            # What was typed for a text may look like a number.
            with suppress(msgspec.ValidationError):
                return msgspec.convert(json.dumps(value), wanted, dec_hook=_decode)
        return _or_typed(lambda given: msgspec.convert(given, wanted, strict=False, dec_hook=_decode), value)


def _or_typed(convert: Callable[[Any], Any], value: Any) -> Any:
    """Return *value* converted, or the list or the dict that it is, when it was typed on a command line."""
    try:
        return convert(value)
    except ValueError:
        import json

        if isinstance(value, str):
            with suppress(ValueError):
                return convert(json.loads(value))
        raise


def _day(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else date.fromisoformat(value.strip())


_BY_HAND: Final[dict[Any, Callable[[Any], Any]]] = {
    int: lambda value: {True: 1, False: 0}[value],
    bool: lambda value: TRUTHS[value.strip().lower()],
    bytes: lambda value: value.encode(),
    datetime: lambda value: datetime.fromisoformat(value.strip()),
    date: _day,
    time: lambda value: time.fromisoformat(value.strip()),
}
"""Types for which Python, or people, take more than msgspec does."""


def _is_secret(wanted: Any) -> bool:
    """Tell whether the type is Secret, or made of it, without importing it: what is given is the name of one."""
    return getattr(wanted, "is_secret", False) is True or any(map(_is_secret, get_args(wanted)))


def _decode(wanted: type, value: Any) -> Any:
    """Make an instance of a type that msgspec does not know."""
    try:
        if isinstance(value, get_origin(wanted) or wanted):
            return value
    except TypeError:
        # A protocol, say: nobody can tell without calling it.
        return value
    if isinstance(value, str) and isinstance(wanted, type) and (issubclass(wanted, PurePath) or _is_secret(wanted)):
        return wanted(value)
    validate = getattr(wanted, "model_validate", None)
    if validate is not None:
        return validate(value)
    raise ValueError(f"expected {getattr(wanted, '__name__', wanted)}, got {type(value).__name__}")
