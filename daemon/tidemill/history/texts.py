"""Text from user code, made fit for a database: it may hold anything a Python string can."""

import json
import re
from typing import Any, Final

from tidemill.domain.results import ErrorInfo

MESSAGE: Final = 16_384
"""Characters kept of an error's message."""
TRACEBACK: Final = 65_536
"""Characters kept of a traceback: its end, where the error is."""

_DIGEST: Final = re.compile("[0-9a-f]{64}")


def storable(text: str) -> str:
    """Return *text* without what databases refuse: half surrogates and, in PostgreSQL, NUL."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\0", "\\x00") if "\0" in text else text


def from_error(error: ErrorInfo | None) -> str | None:
    """Return an error as the JSON the history keeps: type, message, traceback."""
    if error is None:
        return None
    traceback = error.traceback
    if traceback is not None and len(traceback) > TRACEBACK:
        traceback = "…\n" + traceback[-TRACEBACK:]
    message = error.message
    if len(message) > MESSAGE:
        message = f"{message[:MESSAGE]}… ({len(message):,} characters)"
    # json writes everything beyond ASCII as escapes, so half surrogates and NUL are safe here.
    return json.dumps((error.type, message, traceback))


def from_value(value: Any) -> str | None:
    """Return structured data as JSON; nothing for what is empty."""
    return json.dumps(value) if value else None


def is_digest(text: str) -> bool:
    """Tell whether *text* is a hash as names of kept sources are."""
    return _DIGEST.fullmatch(text) is not None
