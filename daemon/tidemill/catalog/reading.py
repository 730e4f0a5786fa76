"""The bytes of a source file, read once, and why some cannot be a flow file."""

import errno
import hashlib
import io
import os
import stat
import tokenize
from dataclasses import dataclass
from typing import Final

from tidemill.catalog.scanning import Signature
from tidemill.domain.manifests import Problem

_PASSING: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

LIMIT: Final = 1024 * 1024
"""Bytes. A flow file is written by a person; more than this is data with a wrong name."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """The bytes of a source file at one moment."""

    data: bytes
    hash: str
    """SHA-256, in hex."""
    signature: Signature
    """Taken after the last byte was read."""


def read_source(path: str) -> SourceText | Problem | None:
    """Read a file whole; a problem says why it cannot be used, None that it is not there any more.

    Raises OSError where this says nothing of the file, as with too many open files.
    """
    try:
        # Not blocking: the name may have become a pipe since it was looked at.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return Problem(_unreadable(error))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return Problem("it is not a regular file")
        if status.st_size > LIMIT:
            return Problem(_too_large(status.st_size))
        data = _read_all(handle)
        signature = Signature.of(os.fstat(handle))
    except OSError as error:
        return Problem(_unreadable(error))
    finally:
        os.close(handle)
    if len(data) > LIMIT:
        return Problem(_too_large(len(data)))
    return SourceText(data, hashlib.sha256(data).hexdigest(), signature)


def examine(data: bytes) -> Problem | None:
    """Say why these bytes cannot be Python source, or None."""
    nul = data.find(b"\0")
    if nul >= 0:
        return Problem(
            "it is not a text file (it holds NUL bytes); a flow file is Python source in UTF-8", _line(data, nul)
        )
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            return Problem(f"it declares an encoding that Python does not know ({str(error).rpartition(': ')[2]})", 1)
        encoding = "utf-8"  # not UTF-8 in the first two lines, or a mark against the declaration: decoding tells where
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        where = _line(data, error.start)
        byte = data[error.start]
        return Problem(
            f"it is not {encoding} text (byte 0x{byte:02x}); save it as UTF-8, or declare its encoding", where
        )
    except LookupError:
        return Problem(f"it declares the encoding {encoding}, which is not one of text", 1)
    return None


def _read_all(handle: int) -> bytes:
    parts: list[bytes] = []
    left = LIMIT + 1
    while left > 0 and (part := os.read(handle, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _too_large(size: int) -> str:
    return f"it is {size / LIMIT:.1f} MiB; a flow file may have 1 MiB: move its data to a file of another kind"


def _unreadable(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "it cannot be read: permission denied for the user the daemon runs as"
    return f"it cannot be read: {error.strerror}"
