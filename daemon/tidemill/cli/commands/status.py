"""``tidemill status``: how the daemon is, and what the history knows when there is none."""

from typing import Any

from tidemill.cli import exits
from tidemill.cli.broken import error_line
from tidemill.cli.documents import print_document
from tidemill.cli.fields import print_fields
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import exact, moment, without_password
from tidemill.cli.tables import Cell
from tidemill.cli.terminal import neutral, say, style
from tidemill.cli.verb import JSON, verb
from tidemill.domain.errors import DaemonNotRunning


@verb(
    "status",
    JSON,
    examples=[
        ("tidemill status", "at a glance"),
        ("tidemill status --json | jq .active_runs", "for a script"),
        ("tidemill status >/dev/null || tidemill start", "it exits with 3 when the daemon is not running"),
    ],
)
def command(invocation: Invocation, as_json: bool) -> int:
    """Tell how the daemon is.

    Without a daemon it prints what the history knows, and exits with 3.
    """
    reason = ""
    try:
        status = invocation.client.request("status")
    except DaemonNotRunning as error:
        status, reason = _from_history(invocation), str(error)
    if status.pop("errors_left_out", 0):
        status["errors"] = invocation.reader.counts()["errors"]
    status["database"] = without_password(str(status["database"]))
    if as_json:
        print_document(status)
    else:
        _print(invocation, status, reason)
    return exits.DONE if status["running"] else exits.NOT_RUNNING


def _from_history(invocation: Invocation) -> dict[str, Any]:
    """Return the fields of the contract as far as the history knows them."""
    places = invocation.settings.places
    known = invocation.reader.counts() if invocation.has_history else {}
    return {
        "running": False,
        "pid": None,
        "version": None,
        "started_at": None,
        "flows": known.get("flows", 0),
        "paused": known.get("paused", 0),
        "active_runs": known.get("active_runs", 0),
        "queued_runs": known.get("queued_runs", 0),
        "flows_dir": str(places.flows_dir),
        "state_dir": str(invocation.paths.root),
        "database": places.database_url or str(invocation.paths.database),
        "errors": known.get("errors", []),
        "limits": _limits(invocation),
        "run_limits": None,
        "problem": None,
    }


def _limits(invocation: Invocation) -> list[dict[str, Any]]:
    """Return the limits of the settings, and who holds them: runs in terminals, and such as a daemon left behind."""
    limits = invocation.settings.limits
    if not limits:
        return []
    from tidemill.limits.slots import Slots
    from tidemill.limits.telling import shown

    return shown(Slots(invocation.paths.limits), limits)


def _print(invocation: Invocation, status: dict[str, Any], reason: str) -> None:
    """Print the status for a person."""
    state = Cell("running", "green") if status["running"] else Cell(reason, "red")
    paused = f"{status['flows']}, {status['paused']} of them paused" if status["paused"] else str(status["flows"])
    print_fields(
        [
            ("daemon", state),
            ("pid", str(status["pid"]) if status["pid"] else None),
            ("version", status["version"]),
            ("since", exact(moment(status["started_at"]), invocation.now())),
            ("flows", paused),
            ("live runs", str(status["active_runs"])),
            ("waiting", str(status["queued_runs"])),
            ("flow files", status["flows_dir"]),
            ("state", status["state_dir"]),
            ("history", status["database"]),
            ("run limits", _kind_of_limits(status.get("run_limits"))),
            *(("limit", _limit(limit)) for limit in status.get("limits") or ()),
        ]
    )
    if status.get("problem"):
        say(style(neutral(status["problem"]), "red"))
    for error in status["errors"]:
        say(f"{style('broken', 'red')}  {error_line(error)}")


def _kind_of_limits(told: dict[str, Any] | None) -> str | None:
    """Return what limits of runs count; None where no daemon has said so."""
    if told is None:
        return None
    return "of all processes of a run together" if told["kind"] == "cgroup" else f"of each process; {told['reason']}"


def _limit(limit: dict[str, Any]) -> str:
    """Return a limit in one line: how much of it is used, and by whom."""
    used = f"{limit['name']}: {limit['held']} of {limit['slots']}"
    if limit["per_second"] is not None:
        return f"{used} taken, {limit['per_second']:g} a second come back"
    runs = ", ".join(dict.fromkeys(holder["run"] or f"process {holder['pid']}" for holder in limit["holders"]))
    return f"{used} held by {runs}" if runs else f"{used} held"
