"""How states look: a word always, a symbol where the terminal has it, a colour besides."""

from typing import Final

from tidemill.cli.tables import Cell
from tidemill.cli.terminal import style, symbols_fit

_LOOKS: Final[dict[str, tuple[str, str]]] = {
    "scheduled": ("◷", "dim"),
    "pending": ("◌", "blue"),
    "running": ("▶", "cyan"),
    "retrying": ("↻", "yellow"),
    "paused": ("‖", "yellow"),
    "cancelling": ("◍", "magenta"),
    "completed": ("✓", "green"),
    "cached": ("≡", "green"),
    "skipped": ("↷", "dim"),
    "failed": ("✗", "red"),
    "timed_out": ("⧗", "red"),
    "upstream_failed": ("⊘", "red dim"),
    "crashed": ("‼", "red bold"),
    "cancelled": ("■", "magenta"),
    "missed": ("∅", "yellow"),
}

NAMES: Final = tuple(_LOOKS)
"""Every state, in the order of a run's life; a test holds it equal to the domain's."""
LIVE: Final = frozenset({"scheduled", "pending", "running", "retrying", "paused", "cancelling"})
"""States that something follows."""


def state_cell(state: str) -> Cell:
    """Return the table cell of *state*."""
    symbol, look = _LOOKS.get(state, ("", ""))
    return Cell(f"{symbol} {state}" if symbol and symbols_fit() else state, look)


def state_text(state: str) -> str:
    """Return *state* as it stands in a line of text."""
    cell = state_cell(state)
    return style(cell.text, cell.style)
