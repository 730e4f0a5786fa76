"""What ``tidemill --help`` prints, made without click, whose import takes longer than all the rest."""

from collections.abc import Iterator, Sequence
from typing import Final

from tidemill.cli.program import EXAMPLES, OPTIONS, SECTIONS

SUMMARY: Final = "Run the flow files of a folder on time, and remember every run."
_NARROWEST: Final = 24


def overview(width: int) -> str:
    """Return the options, the commands by section and some examples, in lines of at most *width* columns."""
    parts = [["Usage: tidemill [OPTIONS] COMMAND [ARGS]..."], [f"  {SUMMARY}"]]
    commands = ((name, tuple(rows.items())) for name, rows in SECTIONS.items())
    for title, rows in (("Options", OPTIONS), *commands, ("Examples", EXAMPLES)):
        parts.append([f"{title}:", *_list(rows, width)])
    parts.append(["RUN is a run's id, its first letters, 'last', or FLOW@last."])
    return "\n\n".join("\n".join(part) for part in parts)


def _list(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Write names in one column and what is told of them in another, as far as there is room."""
    column = max(len(name) for name, _ in rows) + 4
    for name, told in rows:
        first, *more = _wrap(told, max(width - column, _NARROWEST))
        yield f"  {name:<{column - 2}}{first}"
        yield from (" " * column + line for line in more)


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
