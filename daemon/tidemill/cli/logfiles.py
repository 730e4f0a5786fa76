"""The log of a run as the engine writes it: one line a record, the text of subprocesses as it came."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tidemill.domain.identifiers import ALPHABET, LENGTH

_LINE: Final = re.compile(
    rf"(\d{{4}}-\d\d-\d\dT[\d:.]+Z) \[(?:([{ALPHABET}]{{{LENGTH}}})/)?([^\]]*)\] ([A-Z]+) ?(.*)", re.DOTALL
)
_PIECE: Final = 1 << 16
LOOK_EVERY: Final = 0.1
"""Seconds between looks at a log that is followed."""


class LogLine(NamedTuple):
    """One line of a log; what is None was not written by the engine but by a program that the run started."""

    at: str | None
    task: str | None
    level: str | None
    text: str
    run: str | None = None
    """The run within the log's own run that wrote it."""


def parse(line: str) -> LogLine:
    """Return the parts of a line."""
    match = _LINE.fullmatch(line)
    if match is None:
        return LogLine(None, None, None, line)
    at, run, task, level, text = match.groups()
    return LogLine(at, None if task == "-" else task, level, text, run)


def pieces(path: Path, *, follow: Callable[[], bool] | None = None, last: int | None = None) -> Iterator[bytes]:
    """Give the log's bytes, from the *last* lines on where that is given.

    With *follow* it waits for more for as long as that says the run may write; the file may not be there yet.
    """
    offset = _start_of(path, last) if last is not None else 0
    while True:
        # Asked before the reading: what was written until the run's end is then surely read.
        may_grow = follow is not None and follow()
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(offset)
                while piece := file.read(_PIECE):
                    offset += len(piece)
                    yield piece
        except FileNotFoundError:
            pass
        if not may_grow:
            return
        time.sleep(LOOK_EVERY)


def lines(arriving: Iterator[bytes]) -> Iterator[str]:
    """Give whole lines without their ends; bytes that are no UTF-8 are replaced."""
    held = b""
    for piece in arriving:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if held:
        yield held.decode("utf-8", "replace")


def lines_within(uid: str, found: Iterable[LogLine], ask_callers: Callable[[], Mapping[str, str]]) -> Iterator[LogLine]:
    """Give the lines of the run *uid*, which another one called, and of the runs that it called itself.

    *ask_callers* tells which run called which; it is asked again when a run turns up that is not among them.
    """
    callers: Mapping[str, str] = {}
    for line in found:
        run = line.run
        if run is not None and run != uid and run not in callers:
            callers = ask_callers()
        while run is not None and run != uid:
            run = callers.get(run)
        if run == uid:
            yield line


def _start_of(path: Path, count: int) -> int:
    """Return where the last *count* lines begin, reading from the end: a log may be large."""
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return 0
    held = b""
    with file:
        place = file.seek(0, os.SEEK_END)
        if count == 0:
            return place
        while place > 0:
            begin = max(place - _PIECE, 0)
            file.seek(begin)
            held = file.read(place - begin) + held
            place = begin
            # The newline that ends the last line begins none.
            ends = held.removesuffix(b"\n").split(b"\n")
            if len(ends) > count:
                return place + len(held) - sum(len(line) + 1 for line in ends[-count:]) + (not held.endswith(b"\n"))
    return 0
