"""What may have been done to a history before a daemon starts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final


def take_away(history: Path) -> None:
    """Remove the file."""
    history.unlink()


def spoil(history: Path) -> None:
    """Damage every page; what the log beside it holds is whole."""
    with history.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (history.stat().st_size - 100))


HARMS: Final[Mapping[str, Callable[[Path], None]]] = {"taken away": take_away, "damaged": spoil}
