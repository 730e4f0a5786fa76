"""``tidemill doctor``: what is wrong with the state directory, the daemon and the machine, and how it is set right."""

import json
import subprocess
from typing import TYPE_CHECKING, Any

from tidemill.cli import exits
from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import is_running
from tidemill.cli.phrasing import counted
from tidemill.cli.programs import program
from tidemill.cli.terminal import neutral, say, style, symbols_fit
from tidemill.cli.verb import JSON, option, verb
from tidemill.control.answers import error_of
from tidemill.domain.errors import ConfigurationError, DaemonNotRunning, Refused, TidemillError

if TYPE_CHECKING:
    from tidemill.care.examining import Examined

_LOOKS = {"error": "red", "warning": "yellow", "note": "dim"}


@verb(
    "doctor",
    option("--repair", is_flag=True, help="Set right what can be; no daemon may run."),
    JSON,
    examples=[
        ("tidemill doctor", "it changes nothing, and exits with 1 when something is wrong"),
        ("tidemill stop && tidemill doctor --repair", "bring back what the journals know"),
        ("tidemill doctor --json", "for a script that watches many machines"),
    ],
)
def command(invocation: Invocation, repair: bool, as_json: bool) -> int:
    """Examine everything, and repair what can be.

    Looks at the settings, the state directory, the disk, the history page by page, every journal, live runs, the
    daemon, the fork server, the clock and the flow files. With --repair a history that is missing, damaged or too
    old is made again from what is left of it and from the journals; what was damaged is kept beside.
    """
    try:
        _ = invocation.settings
    except ConfigurationError as error:
        if as_json:
            finding = {"level": "error", "message": str(error), "repairable": False}
            settings = {"check": "settings", "ok": False, "findings": [finding]}
            print_document({"errors": 1, "warnings": 0, "repaired": [], "checks": [settings]})
            return exits.CONFIGURATION
        raise
    if repair and is_running(invocation):
        raise Refused("nothing can be repaired while the daemon works on it; stop it first: tidemill stop")
    repaired = _repair(invocation) if repair and invocation.paths.root.is_dir() else []
    examined = _examine(invocation)
    errors, warnings = (sum(_count(check, level) for check in examined) for level in ("error", "warning"))
    if as_json:
        checks = [check.document() for check in examined]
        print_document({"errors": errors, "warnings": warnings, "repaired": repaired, "checks": checks})
    else:
        for sentence in repaired:
            say(f"{style('repaired', 'green')}  {neutral(sentence)}")
        for check in examined:
            _print(check)
        _print_summary(invocation, examined, errors, warnings)
    return exits.FAILED if errors else exits.DONE


def _examine(invocation: Invocation) -> "list[Examined]":
    from tidemill.care.examining import examine
    from tidemill.care.findings import Site
    from tidemill.domain.times import to_micros

    status: dict[str, Any] | None = None
    try:
        status = invocation.client.request("status")
    except DaemonNotRunning:
        pass
    except TidemillError as error:
        say(f"the daemon does not tell how it is: {neutral(error)}", err=True)
    return examine(Site(invocation.settings, invocation.paths, status, to_micros(invocation.now())))


def _repair(invocation: Invocation) -> list[str]:
    """Have it done by a process that holds the state directory as a daemon would."""
    line = program("tidemill.service.housekeeping", "repair", invocation=invocation)
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    told = done.stderr.strip().splitlines()
    if done.returncode:
        raise error_of(
            done.returncode, (told or [f"the repair ended with {done.returncode}"])[-1].removeprefix("tidemill: ")
        )
    for sentence in told:
        say(neutral(sentence), err=True)
    return [str(sentence) for sentence in json.loads(done.stdout)]


def _count(check: "Examined", level: str) -> int:
    return sum(finding.level == level for finding in check.findings)


def _print(check: "Examined") -> None:
    good, bad, odd = ("✓", "✗", "!") if symbols_fit() else ("ok", "!!", "! ")
    level = check.level
    mark = {"error": style(bad, "red"), "warning": style(odd, "yellow")}.get(str(level), style(good, "green"))
    say(f"{mark} {check.name}")
    for finding in check.findings:
        say(f"    {style(str(finding.level), _LOOKS[finding.level])}  {neutral(finding.message)}")


def _print_summary(invocation: Invocation, examined: "list[Examined]", errors: int, warnings: int) -> None:
    say(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if any(finding.repairable and finding.level != "note" for check in examined for finding in check.findings):
        stop = "tidemill stop && " if is_running(invocation) else ""
        say(f"Some of it can be repaired: {stop}tidemill doctor --repair")
