"""``-p name=value``: JSON where it is JSON, else text."""

from collections.abc import Iterable
from typing import Any

from tidemill.control.answers import UsageError


def parse_parameters(given: Iterable[str]) -> dict[str, Any]:
    """Return the parameters, or refuse what has no name or comes twice."""
    parameters: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"-p {text}: write it as -p name=value, such as -p name=Alice")
        if name in parameters:
            raise UsageError(f"the parameter {name} is given twice")
        parameters[name] = _value(value)
    return parameters


def _value(text: str) -> Any:
    import json

    def refuse(word: str) -> None:
        # Infinity and NaN are no JSON, though Python's reader takes them.
        raise ValueError(word)

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text
    # A number that would be written otherwise, such as 1.50, is a text until its parameter's type says more.
    return text if isinstance(value, int | float) and json.dumps(value) != text else value
