"""The sizes that people type: ``500MB``, ``10 GiB``, plain bytes."""

from tidemill.control.answers import UsageError
from tidemill.domain.sizes import read_size


def parse_size(text: str) -> int:
    """Return the bytes that *text* names."""
    size = read_size(text)
    if size is None:
        raise UsageError(f"{text!r} is no size; write it as 500MB, 10GiB or a number of bytes")
    return size
