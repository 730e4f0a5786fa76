"""``tidemill stats``: how flows do, in numbers."""

from datetime import datetime
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.fields import print_fields
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.moments import parse_since
from tidemill.cli.phrasing import duration, moment, relative
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, option, verb

_COLUMNS = (
    Column("flow", whole=True),
    Column("runs", right=True),
    Column("success", right=True),
    Column("p50", right=True),
    Column("p95", right=True),
    Column("waited p50", right=True, spare=True),
    Column("waited p95", right=True, spare=True),
    Column("last failure", gives=True),
)
_GOOD = 0.999
_BAD = 0.9


@verb(
    "stats",
    argument("flow", metavar="[FLOW]", required=False, offers="flow"),
    option("--since", metavar="TIME", default="7d", help="From here on: 24h, 30d, 'yesterday 02:00', ISO 8601. [7d]"),
    JSON,
    examples=[
        ("tidemill stats", "every flow, over the last seven days"),
        ("tidemill stats nightly --since 90d", "one flow, with how its runs ended"),
        ("tidemill stats --json | jq '.[] | select(.success_rate < 0.99)'", "for a script that complains"),
    ],
)
def command(invocation: Invocation, flow: str | None, since: str, as_json: bool) -> None:
    """Tell how flows do: successes, durations, waits.

    Of the runs that ended: how many of those that could succeed did, how long the completed ones took (the middle one,
    and what 95 of 100 stay within), and how long runs waited from being queued to their start.
    """
    begin = parse_since(since, invocation.now())
    if flow is not None:
        find_flow(invocation, flow)
    records = invocation.reader.statistics(begin, flow)
    if as_json:
        print_document(records)
    elif flow is not None:
        _print_one(invocation, records[0], begin)
    elif records:
        print_table(_COLUMNS, [_row(invocation, record) for record in records])
    else:
        say("nothing has run since then")


def _row(invocation: Invocation, record: dict[str, Any]) -> list[Cell | str | None]:
    took, waited = record["duration"] or {}, record["wait"] or {}
    return [
        record["flow"],
        str(record["runs"]),
        _rate(record["success_rate"]),
        duration(took.get("p50")),
        duration(took.get("p95")),
        duration(waited.get("p50")),
        duration(waited.get("p95")),
        _last_failure(invocation, record["last_failure"]),
    ]


def _print_one(invocation: Invocation, record: dict[str, Any], begin: datetime) -> None:
    rate = _rate(record["success_rate"])
    print_fields(
        [
            ("flow", record["flow"]),
            ("since", f"{begin.astimezone():%Y-%m-%d %H:%M:%S %z}"),
            ("runs", str(record["runs"])),
            ("ended", ", ".join(f"{count} {state}" for state, count in record["states"].items()) or None),
            ("success", rate if rate.text else None),
            ("took", _spread(record["duration"])),
            ("waited", _spread(record["wait"])),
            ("last failure", _last_failure(invocation, record["last_failure"])),
        ]
    )
    if not record["runs"]:
        say(f"no run of {neutral(record['flow'])} ended since then")


def _spread(values: dict[str, float] | None) -> str | None:
    return None if values is None else f"{duration(values['p50'])} (p95 {duration(values['p95'])})"


def _rate(rate: float | None) -> Cell:
    """Return the share of successes, rounded so that only all of them are 100 %."""
    if rate is None:
        return Cell("")
    text = "100 %" if rate == 1 else f"{min(rate * 100, 99.9):.1f} %"
    return Cell(text, "green" if rate >= _GOOD else "red" if rate < _BAD else "yellow")


def _last_failure(invocation: Invocation, failure: dict[str, Any] | None) -> str | None:
    if failure is None:
        return None
    error = f": {failure['error']}" if failure["error"] else ""
    return f"{relative(moment(failure['finished_at']), invocation.now())}, {failure['id']} {failure['state']}{error}"
