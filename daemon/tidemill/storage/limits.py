"""How large a result may be."""

from typing import Any

from tidemill.domain.errors import DefinitionError
from tidemill.domain.sizes import read_size


def parse_size(size: Any, owner: str) -> int | None:
    """Return a number of bytes; text such as ``10 MB`` or ``1 GiB`` is one too. Raises DefinitionError."""
    if size is None:
        return None
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    bytes_ = (read_size(size) if isinstance(size, str) else None) or 0
    if bytes_ < 1:
        raise DefinitionError(f"max_size of {owner} must be bytes, or a text such as '10 MB'; it is {size!r}")
    return bytes_
