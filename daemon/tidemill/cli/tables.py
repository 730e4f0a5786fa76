"""Tables for eyes: aligned, within the terminal's width, the same words in a pipe.

Ours and not rich's: a listing would pay 60 ms to import that, on every call, and this is all it needs.
"""

from collections.abc import Sequence

from tidemill.cli.terminal import cells, cut, neutral, say, style, width

_GAP = "  "
_NARROWEST = 6


class Cell:
    """What stands in one place of a table. Plain, like Column: making a dataclass takes longer than a listing."""

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self.style = style


class Column:
    """A column: its heading, and how it gives way when room is scarce."""

    __slots__ = ("gives", "heading", "right")

    def __init__(self, heading: str, *, right: bool = False, gives: bool = False) -> None:
        self.heading = heading
        self.right = right
        self.gives = gives
        """It is cut before others are."""


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str | None]]) -> None:
    """Print *rows* below their headings; columns that are empty everywhere are left out."""
    cleaned = [[_cell(value) for value in row] for row in rows]
    shown = [place for place in range(len(columns)) if any(row[place].text for row in cleaned)]
    columns = [columns[place] for place in shown]
    cleaned = [[row[place] for place in shown] for row in cleaned]
    widths = _fit(columns, cleaned)
    heading = [Cell(column.heading.upper(), "dim") for column in columns]
    for row in [heading, *cleaned]:
        say(_line(columns, row, widths))


def _cell(value: Cell | str | None) -> Cell:
    """Return the cell of *value*, harmless to a terminal."""
    if isinstance(value, Cell):
        return Cell(neutral(value.text), value.style)
    return Cell(neutral(value) if value else "")


def _fit(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    """Return the columns' widths, taking from those that give way first, the widest before the others."""
    widths = [
        max([len(column.heading), *(cells(row[place].text) for row in rows)]) for place, column in enumerate(columns)
    ]
    room = width()
    if room is None:
        return widths
    room -= len(_GAP) * (len(columns) - 1)
    for givers in ([place for place, column in enumerate(columns) if column.gives], list(range(len(columns)))):
        while sum(widths) > room and givers:
            widest = max(givers, key=widths.__getitem__)
            if widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
    return widths


def _line(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int]) -> str:
    """Return one line; padding stands outside the colour, and nothing trails."""
    parts = []
    for place, (column, cell, room) in enumerate(zip(columns, row, widths, strict=True)):
        text = cut(cell.text, room)
        padding = " " * (room - cells(text))
        is_last = place == len(row) - 1
        shown = style(text, cell.style)
        parts.append(padding + shown if column.right else shown if is_last else shown + padding)
    return _GAP.join(parts).rstrip()
