"""Where in a flow file something was declared."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from types import FrameType

_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"


class Place(NamedTuple):
    """A line of the module that was being executed."""

    file: str
    line: int
    variables: dict[str, Any]
    """The module's own namespace."""


def find_place() -> Place:
    """Return the line, in the innermost module that is being executed, that led here."""
    trail: list[tuple[str, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            trail.append((code.co_filename, frame.f_lineno))
            if code.co_name == "<module>":
                break
        frame = frame.f_back
    if not trail or frame is None:
        file, line = trail[0] if trail else ("", 1)
        return Place(file, line, {})
    module = trail[-1][0]
    line = next(line for file, line in trail if file == module)
    return Place(module, line, frame.f_globals)
