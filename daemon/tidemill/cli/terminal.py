"""What may reach a terminal, and how: control characters made visible, colour only where it is seen."""

import os
import re
import shutil
import sys
from typing import Final

import click

_COLOUR_SEQUENCE: Final = re.compile("\x1b\\[[0-9;:]*m")
_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff{_BIDI}]")
_UNSAFE_BUT_TABS: Final = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0a-\x1f"))


def neutral(text: object) -> str:
    """Return *text* in one line that does nothing to a terminal: each control character as its escape."""
    return _UNSAFE.sub(_visible, _COLOUR_SEQUENCE.sub("", str(text)))


def neutral_lines(text: object) -> str:
    """Return *text* likewise, with its lines and tabs kept."""
    lines = str(text).split("\n")
    return "\n".join(_UNSAFE_BUT_TABS.sub(_visible, _COLOUR_SEQUENCE.sub("", line)) for line in lines)


def _visible(match: re.Match[str]) -> str:
    """Return the escape that names the character."""
    return match.group().encode("unicode_escape").decode()


def is_terminal() -> bool:
    """Tell whether a person looks at what is printed."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Tell whether colour is wanted: on a terminal, unless NO_COLOR says no."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def style(text: str, **how: bool | str) -> str:
    """Return *text* in colour where colour is wanted."""
    return click.style(text, **how) if how and has_colour() else text  # type: ignore[arg-type]  # click's own names


def width() -> int | None:
    """Return the columns to fit into, or None where output goes to a file or a pipe and nothing is cut."""
    if not is_terminal():
        return None
    return max(40, shutil.get_terminal_size().columns)


def symbols_fit() -> bool:
    """Tell whether the output's encoding has symbols beyond ASCII."""
    return (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "").startswith("utf")


def cells(text: str) -> int:
    """Return the columns *text* takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def cut(text: str, room: int) -> str:
    """Return *text* cut to *room* columns, with a mark where something is missing."""
    if cells(text) <= room:
        return text
    mark = "…" if symbols_fit() else "~"
    kept = text[: max(room - 1, 0)]
    while kept and cells(kept) > room - 1:
        kept = kept[:-1]
    return kept + mark if room > 0 else ""
