"""Facts one below the other, each behind its name, and paragraphs of text below a heading."""

from collections.abc import Iterable

from tidemill.cli.tables import Cell
from tidemill.cli.terminal import neutral, neutral_lines, say, style


def print_fields(facts: Iterable[tuple[str, Cell | str | None]]) -> None:
    """Print the facts that there are; what is None or empty is left out."""
    shown = [(name, value) for name, value in facts if value]
    room = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        if isinstance(value, Cell):
            text = style(neutral(value.text), value.style)
        else:
            text = neutral_lines(value).replace("\n", "\n" + " " * (room + 2))
        say(f"{style(name.ljust(room), 'dim')}  {text}")


def print_heading(text: str) -> None:
    """Print a heading below an empty line."""
    say(f"\n{style(text, 'bold')}")


def print_text(text: str, indent: str = "") -> None:
    """Print *text* line by line, harmless to a terminal."""
    for line in neutral_lines(text.rstrip("\n")).split("\n"):
        say(f"{indent}{line}")
