"""What may reach a terminal, and how: control characters made visible, colour only where it is seen."""

import os
import sys
from typing import Final

_ACTING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what acts instead of being seen: controls, direction marks, halves, line ends."""
_HARMLESS: Final = "\u200d"
"""The joiner, which makes one picture out of several."""


def neutral(text: object) -> str:
    """Return *text* in one line that does nothing to a terminal: each control character as its escape."""
    line = str(text)
    return line if line.isprintable() else _escaped(line, "")


def neutral_lines(text: object) -> str:
    """Return *text* likewise, with its lines and tabs kept."""
    lines = str(text)
    return lines if lines.isprintable() else _escaped(lines, "\n\t")


def _escaped(text: str, kept: str) -> str:
    """Return *text* with escapes for what acts on a terminal; sequences that only colour are dropped."""
    import re
    from unicodedata import category

    plain = re.sub("\x1b\\[[0-9;:]*m", "", text)
    harmless = kept + _HARMLESS
    return "".join(
        sign if sign.isprintable() or sign in harmless or category(sign) not in _ACTING else _escape(sign)
        for sign in plain
    )


def _escape(sign: str) -> str:
    """Return the escape that names a character."""
    return sign.encode("unicode_escape").decode()


def is_terminal() -> bool:
    """Tell whether a person looks at what is printed."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Tell whether colour is wanted: on a terminal, unless NO_COLOR says no."""
    return is_terminal() and not os.environ.get("NO_COLOR")


_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}


def style(text: str, look: str) -> str:
    """Return *text* in the *look* that is wanted, such as "red bold", where colour is."""
    if not look or not text or not has_colour():
        return text
    return f"\x1b[{';'.join(str(_CODES[word]) for word in look.split())}m{text}\x1b[0m"


def say(text: str, *, err: bool = False) -> None:
    """Print a line; what it holds of others' words is made neutral before."""
    print(text, file=sys.stderr if err else sys.stdout)


def complain(sentence: str) -> None:
    """Print what went wrong, for whoever looks at the errors."""
    say(f"tidemill: {neutral_lines(sentence)}", err=True)


def width() -> int | None:
    """Return the columns to fit into, or None where output goes to a file or a pipe and nothing is cut."""
    if not is_terminal():
        return None
    return max(40, columns())


def help_width() -> int:
    """Return how wide help is written: as click would, without the module that it imports to know it."""
    return max(min(columns(), 80) - 2, 50)


def columns() -> int:
    """Return the terminal's columns: COLUMNS, else what the terminal says, else 80. shutil would cost 3 ms more."""
    if (told := os.environ.get("COLUMNS", "")).isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or 80
    except (OSError, ValueError):
        return 80


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
