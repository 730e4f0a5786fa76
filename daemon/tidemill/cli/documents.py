"""The ``--json`` side of the commands: one document, plain ASCII, whatever is in it."""

import math
from typing import Any

from tidemill.cli.terminal import say


def print_document(document: Any) -> None:
    """Print *document* as JSON; every control character and direction mark in it is escaped."""
    import json

    try:
        text = json.dumps(document, indent=2, default=str, allow_nan=False)
    except ValueError:
        # A parameter may be infinite, but JSON has no word for it.
        text = json.dumps(_finite(document), indent=2, default=str)
    say(text)


def _finite(value: Any) -> Any:
    """Return *value* with what is no number made text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
