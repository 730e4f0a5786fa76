"""The code of inspected flow files, kept beside their texts: what was compiled once is not compiled by every run."""

import marshal
import os
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from types import CodeType


def keep_code(kept: str, code: CodeType) -> None:
    """Keep the *code* of the text in the file *kept*; without it a run compiles the text anew."""
    place = _place(kept)
    fresh = f"{place}.{os.getpid()}"
    with suppress(OSError, ValueError):
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, MAGIC_NUMBER + marshal.dumps(code))
            os.rename(fresh, place)  # noqa: PTH104 - a Path here costs more than the call
        except OSError:
            os.unlink(fresh)  # noqa: PTH108 - nobody else knows its name
        finally:
            os.close(fd)


def find_code(kept: str, path: str) -> CodeType | None:
    """Return the code of the text in the file *kept* as compiled for *path*, if this interpreter's is there."""
    try:
        fd = os.open(_place(kept), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)
    if data[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
        return None
    try:
        code = marshal.loads(data[len(MAGIC_NUMBER) :])
    except (ValueError, EOFError, TypeError):
        return None
    # The same text may be kept for two paths; tracebacks must name the right one.
    return code if isinstance(code, CodeType) and code.co_filename == path else None


def _place(kept: str) -> str:
    return f"{kept}.code"
