"""The sizes that people write: ``500MB``, ``10 GiB``, ``512M``, plain bytes."""

import re
from typing import Final

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
_SIZE: Final = r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?(?:ytes)?\s*"


def read_size(text: str) -> int | None:
    """Return the bytes that *text* names; None where it names none."""
    match = re.fullmatch(_SIZE, text, re.IGNORECASE)
    return None if match is None else round(float(match[1]) * _UNITS[(match[2] or "").lower()])


def readable(size: float) -> str:
    """Return *size* for a sentence."""
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:g} bytes"
