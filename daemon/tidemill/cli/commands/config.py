"""``tidemill config``: each setting, and where its value came from."""

from pathlib import Path
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import without_password
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.verb import JSON, verb
from tidemill.domain.limits import Limit

_COLUMNS = (Column("setting"), Column("value", gives=True), Column("from"))


@verb(
    "config",
    JSON,
    examples=[
        ("tidemill config", "what is in force for this command line"),
        ("tidemill --config other.toml config --json", "what another file would give"),
    ],
)
def command(invocation: Invocation, as_json: bool) -> None:
    """Print each setting and where it came from.

    Later sources win: defaults, the file, the environment, options.
    """
    values = [
        {
            "name": f"{section}.{key}",
            "value": _plain(getattr(part, key)),
            "source": _source_of(invocation, section, key),
        }
        for section, part in invocation.settings._asdict().items()
        if section != "limits"
        for key in part._fields
    ]
    values += [
        {"name": f"limits.{name}", "value": _limit(limit), "source": _source_of(invocation, "limits")}
        for name, limit in invocation.settings.limits.items()
    ]
    if as_json:
        print_document(values)
        return
    print_table(_COLUMNS, [[value["name"], _shown(value["value"]), _source(value["source"])] for value in values])


def _source_of(invocation: Invocation, *parts: str) -> str:
    return invocation.sources.get(".".join(parts), "default")


def _plain(value: Any) -> Any:
    """Return the value as JSON has it; the password of a database stays out of it."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return [f"{name} = {item}" for name, item in value.items()]
    text = str(value)
    if isinstance(value, str) and "://" in value:
        return without_password(text)
    return text if isinstance(value, Path) else value


def _limit(limit: Limit) -> int | dict[str, float]:
    """Return a limit as the file spells it."""
    return limit.slots if limit.per_second is None else {"slots": limit.slots, "per_second": limit.per_second}


def _shown(value: Any) -> Cell | str:
    if value is None or value == []:
        return Cell("none", "dim")
    if isinstance(value, dict):
        return f"{value['slots']}, {value['per_second']:g} a second"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _source(source: str) -> Cell:
    return Cell(source, "dim" if source == "default" else "cyan")
