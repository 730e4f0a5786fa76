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

    __slots__ = ("gives", "heading", "right", "spare", "whole")

    def __init__(
        self, heading: str, *, right: bool = False, gives: bool = False, spare: bool = False, whole: bool = False
    ) -> None:
        self.heading = heading
        self.right = right
        self.gives = gives
        """It is cut before others are."""
        self.spare = spare
        """It is left out before others are cut to pieces."""
        self.whole = whole
        """It is never cut: a person types it again."""


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str | None]]) -> None:
    """Print *rows* below their headings; columns that are empty everywhere are left out."""
    cleaned = [[_cell(value) for value in row] for row in rows]
    wanted = [
        max([len(column.heading), *(cells(row[place].text) for row in cleaned)]) for place, column in enumerate(columns)
    ]
    shown = [place for place in range(len(columns)) if any(row[place].text for row in cleaned)]
    widths = _fit(columns, wanted, shown)
    heading = [Cell(column.heading.upper(), "dim") for column in columns]
    for row in [heading, *cleaned]:
        say(_line(columns, row, widths))


def _cell(value: Cell | str | None) -> Cell:
    """Return the cell of *value*, harmless to a terminal."""
    if isinstance(value, Cell):
        return Cell(neutral(value.text), value.style)
    return Cell(neutral(value) if value else "")


def _fit(columns: Sequence[Column], wanted: Sequence[int], shown: list[int]) -> dict[int, int]:
    """Return the widths of the columns that are shown.

    What gives way is cut first, then spare columns are left out, the last before the others, then all are cut.
    """
    room = width()
    widths = {place: wanted[place] for place in shown}
    if room is None:
        return widths
    _cut_down(widths, [place for place in shown if columns[place].gives], room)
    for place in [place for place in reversed(shown) if columns[place].spare]:
        if _total(widths) > room:
            del widths[place]
            widths |= {other: wanted[other] for other in widths}
            _cut_down(widths, [other for other in widths if columns[other].gives], room)
    _cut_down(widths, [place for place in widths if not columns[place].whole], room)
    return widths


def _cut_down(widths: dict[int, int], givers: Sequence[int], room: int) -> None:
    """Take from the widest of *givers* until the line fits or none has more to give."""
    while givers and _total(widths) > room:
        widest = max(givers, key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _total(widths: dict[int, int]) -> int:
    """Return the columns of a line."""
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], row: Sequence[Cell], widths: dict[int, int]) -> str:
    """Return one line; padding stands outside the colour, and nothing trails."""
    parts = []
    for place, room in widths.items():
        text = cut(row[place].text, room)
        padding = " " * (room - cells(text))
        shown = style(text, row[place].style)
        parts.append(padding + shown if columns[place].right else shown + padding)
    return _GAP.join(parts).rstrip(" ")
