"""How large a result may be."""

import re
from typing import Any, Final

from tidemill.domain.errors import DefinitionError

_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", re.IGNORECASE)


def parse_size(size: Any, owner: str) -> int | None:
    """Return a number of bytes; text such as ``10 MB`` or ``1 GiB`` is one too. Raises DefinitionError."""
    if size is None:
        return None
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    bytes_ = int(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match else 0
    if bytes_ < 1:
        raise DefinitionError(f"max_size of {owner} must be bytes, or a text such as '10 MB'; it is {size!r}")
    return bytes_


def readable(size: int) -> str:
    """Return *size* for a sentence."""
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
