"""The points of a sweep: each state-changing call of a story, named so that it is found again in the next telling."""

import re
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from chaos.tracing.calls import Call

_NAMES: Final = (
    (re.compile(r"^socket:.*"), "socket"),
    (re.compile(r"^anon_inode:\[pidfd\].*"), "pidfd"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "HASH"),
    (re.compile(r"(?<=/)[0-9a-z]{2}(?=/|$)"), "XX"),
    (re.compile(r"^/.*/(?=python[^/]*$)"), ""),
    (re.compile(r"(?<=(?<![A-Za-z])tmp/)(?!tidemill)\w+"), "NAME"),
    (re.compile(r"(?<=tidemill-rehearsal-)\w+"), "NAME"),
    (re.compile(r"(?<![A-Za-z0-9])(?=[a-z]*[0-9])[0-9a-hjkmnp-tv-z]{10}(?![A-Za-z0-9])"), "ID"),
    (re.compile(r"(?<=journals/XX/)\w+|(?<=logs/XX/)\w+|(?<=HASH\.)[0-9a-z]{10}$"), "ID"),
    (re.compile(r"\d{3,}"), "N"),
)
"""What differs from telling to telling, and what stands for it."""


_SIGNALS: Final = {"kill": 1, "tkill": 1, "tgkill": 2}
"""Which argument is the signal; 0 asks whether somebody lives."""


PHASES: Final = {
    "fresh": ("start-up", "story", "shutdown"),
    "migration": ("migration", "migrated", None),
    "recovery": ("recovery", "adoption", None),
    "shutdown": (None, None, "drain"),
}
"""Of each story what it is until the daemon serves, then, and from the wish that it ends; None for what is no other
than in another story."""
VARIANTS: Final = {phase: variant for variant, phases in PHASES.items() for phase in phases if phase is not None}


class Point(NamedTuple):
    """The n-th call of one kind in a phase, and perhaps the how-manieth call of any kind after it."""

    phase: str
    role: str
    call: str
    path: str
    nth: int
    then: int | None = None
    """A second kill: so many state-changing calls after the first, whoever makes them."""

    def __str__(self) -> str:
        text = f"{self.phase} {self.role} {self.call} {self.path} {self.nth}"
        return text if self.then is None else f"{text} then {self.then}"


def parse_point(text: str) -> Point:
    """Return the point that :class:`Point` writes as *text*; ValueError when it is none."""
    phase, role, call, rest = text.split(" ", 3)
    if phase not in VARIANTS:
        raise ValueError(f"there is no phase {phase!r}; these there are: {', '.join(VARIANTS)}")
    rest, _, then = rest.partition(" then ")
    path, _, nth = rest.rpartition(" ")
    return Point(phase, role, call, path, int(nth), int(then) if then else None)


class Numbering:
    """Counts the calls of each kind in each phase, as they come."""

    def __init__(self, variant: str, folder: Path) -> None:
        self._root = f"{folder}/"
        self._before, self._serving, self._leaving = PHASES[variant]
        self._phase = self._before
        self._is_serving = False
        self._seen: Counter[tuple[str | None, str, str, str]] = Counter()

    def number(self, call: Call) -> Point | None:
        """Return the point that *call* is; None when it changes nothing, or its phase is another story's."""
        if not changes_something(call):
            return None
        phase = self._phase
        kind = (phase, call.role, call.name, self._pattern(call.path))
        self._seen[kind] += 1
        if not self._is_serving and call.role == "daemon" and call.name == "listen":
            self._is_serving, self._phase = True, self._serving
        return None if phase is None else Point(phase, *kind[1:], self._seen[kind])

    def leave(self) -> None:
        """From here on the daemon is to end."""
        self._phase = self._leaving

    def _pattern(self, path: str | None) -> str:
        text = (path or "-").replace(self._root, "")
        if self._root.startswith(f"{text.rstrip('/')}/"):
            return "above"
        for expression, name in _NAMES:
            text = expression.sub(name, text)
        return text


def changes_something(call: Call) -> bool:
    """Tell whether a call leaves a trace that outlives its process, or reaches another one.

    What a process tells itself through a pipe, an event or a byte in a socket, and what it says of itself in /proc,
    is gone with it.
    """
    path = call.path or ""
    if path.startswith(("anon_inode:[eventfd]", "pipe:", "/proc/", "/dev/null")):
        return False
    if call.name == "sendto":
        return call.args[2] > 1
    return not (call.name in _SIGNALS and call.args[_SIGNALS[call.name]] == 0)
