"""What a call is about: its file, and what it writes where, read out of the process that makes it."""

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from chaos.tracing.calls import Shape
from chaos.tracing.kernel import read_memory, read_text

_HERE: Final = 2**32 - 100
"""AT_FDCWD, as the lower half of an argument."""
_GIVEN: Final = ("pwrite64", "pwritev", "pwritev2")
_FOLLOWING: Final = ("write", "writev")


def file_of(pid: int, shape: Shape, args: tuple[int, ...]) -> str | None:
    """Return the path of the file that a call is about; None when it is about none, or that cannot be read."""
    with suppress(OSError):
        if shape.path is not None:
            return _path(pid, None if shape.fd is None else args[shape.fd], args[shape.path])
        if shape.fd is not None:
            return str(Path(f"/proc/{pid}/fd/{args[shape.fd] % 2**32}").readlink())
    return None


def target_of(pid: int, shape: Shape, args: tuple[int, ...]) -> str | None:
    """Return the new name that a rename or link gives."""
    if shape.target is not None:
        fd, path = shape.target
        with suppress(OSError):
            return _path(pid, None if fd is None else args[fd], args[path])
    return None


def offset_of(pid: int, name: str, args: tuple[int, ...], written: int | None) -> int | None:
    """Return where a write begins; *written* is what it returned, or None when it has not happened yet."""
    if name in _GIVEN:
        return args[3]
    if name not in _FOLLOWING:
        return None
    with suppress(OSError):
        told = Path(f"/proc/{pid}/fdinfo/{args[0]}").read_text().split()
        position, flags = int(told[1]), int(told[3], 8)
        if written is not None:
            return position - max(0, written)
        return Path(f"/proc/{pid}/fd/{args[0]}").stat().st_size if flags & os.O_APPEND else position
    return None


def data_of(pid: int, name: str, args: tuple[int, ...]) -> bytes | None:
    """Return what a call writes or sends; None when it does neither."""
    with suppress(OSError):
        if name in ("write", "pwrite64", "sendto"):
            return read_memory(pid, args[1], args[2])
        if name in ("writev", "pwritev", "pwritev2"):
            return _gather(pid, args[1], args[2])
        if name == "sendmsg":
            return _gather(pid, *struct.unpack("=QQ", read_memory(pid, args[1] + 16, 16)))
    return None


def _gather(pid: int, vectors: int, count: int) -> bytes:
    pieces = struct.iter_unpack("=QQ", read_memory(pid, vectors, 16 * count))
    return b"".join(read_memory(pid, base, length) for base, length in pieces if length)


def _path(pid: int, fd: int | None, address: int) -> str:
    text = read_text(pid, address) if address else ""
    given = _HERE if fd is None else fd % 2**32
    folder = Path(f"/proc/{pid}") / ("cwd" if given == _HERE else f"fd/{given}")
    return text if text.startswith("/") else os.path.normpath(folder.readlink() / text)
