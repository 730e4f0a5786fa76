"""The sizes that people type: ``500MB``, ``10 GiB``, plain bytes."""

import re
from typing import Final

from tidemill.control.answers import UsageError

_UNITS: Final = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?(?:ytes)?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the bytes that *text* names."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no size; write it as 500MB, 10GiB or a number of bytes")
    return round(float(match[1]) * _UNITS[(match[2] or "").lower()])
