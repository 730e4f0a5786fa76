"""A name for each call of the reference run that an error can meet, the same in every telling of it."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from chaos.tracing.calls import Call

WATCHED: Final = ("state", "kept")
"""The folders of the stack whose disk fails; what tasks and the daemon tell to the judge lies elsewhere."""

_CHANGING: Final = (
    (r"(?<=\.)\d+-\d+(?=\.draft)", "*"),
    (r"\b[0-9a-f]{16,}\b", "*"),
    (r"(?<=/)[0-9a-z]{10}(?=[.\-/]|$)", "*"),
    (r"(?<=/\.)[0-9a-z]{10}(?=[.\-/]|$)", "*"),
    (r"(?<=/)[0-9a-z]{2}(?=/|$)", "??"),
    (r"(?<=\.)[0-9]+$", "*"),
    (r"(?<=\*\.)[0-9a-z_]{8,10}$", "*"),
)
"""Ids of runs, hashes, and numbers of processes and threads: other ones in each telling."""


class Point(NamedTuple):
    """A call: the n-th of its name that a part of the stack makes about such a file, counted from one."""

    role: str
    name: str
    file: str
    nth: int

    def __str__(self) -> str:
        return " ".join(map(str, self))


def point_of(text: str) -> Point:
    """Read a point as ``str`` writes it."""
    role, name, file, nth = text.split(" ")
    return Point(role, name, file, int(nth))


class Counting:
    """Names the calls of one telling as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._met: Counter[tuple[str, str, str]] = Counter()

    def name(self, call: Call) -> Point | None:
        """Return which point *call* is; None for one that no disk has to do with."""
        file = pattern_of(call, self._folder)
        if file is None:
            return None
        self._met[call.role, call.name, file] += 1
        return Point(call.role, call.name, file, self._met[call.role, call.name, file])


def pattern_of(call: Call, folder: str) -> str | None:
    """Return the file a call is about, without what differs in each telling; None outside of what is watched."""
    if call.name == "bind":
        return "socket"
    if call.path is None or not call.path.startswith(folder + os.sep):
        return None
    file = call.path[len(folder) + 1 :]
    if file.partition("/")[0] not in WATCHED:
        return None
    for changing, name in _CHANGING:
        file = re.sub(changing, name, file)
    return file.replace(" ", "_")
