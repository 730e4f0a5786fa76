"""The exits journal: how every run process ended, written by the one who reaped it.

It is short of everything but certainty: a run whose process has an exit here, and whose own journal
has no end, crashed. Two fork servers may write it at once, while the older one drains.
"""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tidemill.domain.runs import ProcessName

SIZE_LIMIT: Final = 4 << 20
"""Bytes after which the file is set aside as ``exits.1`` and begun anew."""


class ProcessExit(NamedTuple):
    """The end of a run process."""

    run: str
    pid: int
    start_time: int
    status: int
    """The exit code; the number of the signal that killed it, negative."""
    at: int
    """Microseconds since 1970, UTC."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ProcessExit).decode


def append_exit(path: Path | str, ended: ProcessExit) -> None:
    """Write one exit; opened each time, for the file may have been set aside."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        # A power cut may have torn the last line, which must not swallow this one.
        is_torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, b"\n" * is_torn + _encode(ended) + b"\n")
        if os.fstat(fd).st_size > SIZE_LIMIT:
            Path(path).replace(_older(path))
    finally:
        os.close(fd)


def read_exits(path: Path | str) -> list[ProcessExit]:
    """Return every exit that is still kept, the oldest first."""
    return _read(path, re.compile(b""))


def find_exit(path: Path | str, run: str, process: ProcessName | None = None) -> ProcessExit | None:
    """Return how the process of *run* ended; with *process* no other one's exit, whatever was tried for the run."""
    for ended in reversed(_read(path, re.compile(re.escape(_encode(run))))):
        if ended.run == run and (process is None or (ended.pid, ended.start_time) == (process.pid, process.start_time)):
            return ended
    return None


def describe_status(status: int) -> str:
    """Say how a process ended: ``exit code 3``, ``killed by SIGSEGV``."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _older(path: Path | str) -> Path:
    return Path(f"{path}.1")


def _read(path: Path | str, wanted: re.Pattern[bytes]) -> list[ProcessExit]:
    """Read the lines that hold *wanted*; most of a large file need not be decoded."""
    exits = []
    for file in (_older(path), Path(path)):
        data = file.read_bytes() if file.exists() else b""
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            if wanted.search(line):
                with suppress(msgspec.MsgspecError):  # torn by a power cut: the run's end is judged without it
                    exits.append(_decode(line))
    return exits
