"""What an examination finds, and what it looks at."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something is wrong, or soon will be."""
    WARNING = "warning"
    """It works, and somebody should look at it."""
    NOTE = "note"
    """Worth knowing."""


class Finding(NamedTuple):
    """One thing that was found."""

    level: Level
    message: str
    """A sentence: what, where, and what to do."""
    repairable: bool = False
    """``doctor --repair`` does it."""


class Site(NamedTuple):
    """What is examined."""

    settings: Settings
    paths: StatePaths
    status: dict[str, Any] | None
    """What the daemon says of itself; None where none runs."""
    now: int
    """Microseconds."""

    @property
    def address(self) -> str | Path:
        """Where the history is."""
        return self.settings.places.database_url or self.paths.database

    @property
    def is_file(self) -> bool:
        """Tell whether the history is the file in the state directory."""
        return self.settings.places.database_url is None


class Check(NamedTuple):
    """One look at one thing."""

    name: str
    look: Callable[[Site], Iterable[Finding]]


def error(message: str, *, repairable: bool = False) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(Level.ERROR, message, repairable)


def warning(message: str, *, repairable: bool = False) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(Level.WARNING, message, repairable)


def note(message: str, *, repairable: bool = False) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(Level.NOTE, message, repairable)
