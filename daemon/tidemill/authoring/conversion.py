"""Turns the values that were given for parameters into the types their functions ask for.

Values come from a command line, a schedule or JSON, so ``"3"`` is a good int and ``"2026-11-22"`` a good date.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import PurePath
from typing import Any, get_origin

import msgspec

from tidemill.authoring.signatures import Parameter
from tidemill.domain.errors import ParameterError


def convert(value: Any, parameter: Parameter, owner: str) -> Any:
    """Return *value* as the type of *parameter*, or refuse it with the name of both."""
    wanted = _wanted(parameter)
    if value is parameter.default:
        # None for "rows: list = None", as authors write it.
        return value
    if wanted is Any or (wanted is not int and _is_instance(value, wanted)):
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
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=_decode)
    except msgspec.ValidationError:
        # Most values are what is wanted.
        import json

        if isinstance(value, bool | int | float):
            # What was typed for a text may look like a number.
            with suppress(msgspec.ValidationError):
                return msgspec.convert(json.dumps(value), wanted, dec_hook=_decode)
        if not isinstance(value, str):
            raise
        if wanted is datetime:
            return datetime.fromisoformat(value.strip())
        with suppress(ValueError):
            # A list or a dict that was typed on a command line.
            return msgspec.convert(json.loads(value), wanted, strict=False, dec_hook=_decode)
        raise


def _is_secret(wanted: Any) -> bool:
    """Tell whether the type is Secret, without importing it: what is given is the name of one."""
    return getattr(wanted, "is_secret", False) is True


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
