"""Where the socket is: a path may be longer than the 107 bytes a Unix address holds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LONGEST: Final = 107


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Give the address to bind or connect for *path*, good until the block ends."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    # Through the folder's descriptor the kernel sees a short name for the same file.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
