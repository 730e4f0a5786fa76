"""How states look: a word always, a symbol where the terminal has it, a colour besides."""

from typing import Final

from tidemill.cli.tables import Cell
from tidemill.cli.terminal import style, symbols_fit

_LOOKS: Final[dict[str, tuple[str, dict[str, bool | str]]]] = {
    "scheduled": ("◷", {"dim": True}),
    "pending": ("◌", {"fg": "blue"}),
    "running": ("▶", {"fg": "cyan"}),
    "retrying": ("↻", {"fg": "yellow"}),
    "paused": ("‖", {"fg": "yellow"}),
    "cancelling": ("◍", {"fg": "magenta"}),
    "completed": ("✓", {"fg": "green"}),
    "cached": ("≡", {"fg": "green"}),
    "skipped": ("↷", {"dim": True}),
    "failed": ("✗", {"fg": "red"}),
    "timed_out": ("⧗", {"fg": "red"}),
    "upstream_failed": ("⊘", {"fg": "red", "dim": True}),
    "crashed": ("‼", {"fg": "red", "bold": True}),
    "cancelled": ("■", {"fg": "magenta"}),
    "missed": ("∅", {"fg": "yellow"}),
}

NAMES: Final = tuple(_LOOKS)
"""Every state, in the order of a run's life; a test holds it equal to the domain's."""
LIVE: Final = frozenset({"scheduled", "pending", "running", "retrying", "paused", "cancelling"})
"""States that something follows."""


def state_cell(state: str) -> Cell:
    """Return the table cell of *state*."""
    symbol, look = _LOOKS.get(state, ("", {}))
    return Cell(f"{symbol} {state}" if symbol and symbols_fit() else state, look)


def state_text(state: str) -> str:
    """Return *state* as it stands in a line of text."""
    cell = state_cell(state)
    return style(cell.text, **cell.style)
