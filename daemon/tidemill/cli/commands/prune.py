"""``tidemill prune``: remove what has ended and is kept for long enough."""

import json
import subprocess
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import is_running
from tidemill.cli.moments import parse_span
from tidemill.cli.phrasing import counted, size
from tidemill.cli.programs import program
from tidemill.cli.sizes import parse_size
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, Number, option, verb
from tidemill.control.answers import UsageError, error_of
from tidemill.domain.errors import DaemonNotRunning, Refused

Record = dict[str, Any]


@verb(
    "prune",
    option("--older-than", metavar="TIME", help="Runs that ended longer ago: 30d, 12h. [retention.keep_for]"),
    option(
        "--keep", kind=Number(1), metavar="N", help="Of each flow all but the newest so many. [retention.keep_runs]"
    ),
    option("--max-size", metavar="SIZE", help="The oldest, until all fits into so much: 5GB. [retention.max_size]"),
    option("--failed", is_flag=True, help="With --older-than: failed runs too, which are kept longer otherwise."),
    option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing."),
    option("--compact", is_flag=True, help="Write the history's file anew, as small as it can be; no daemon may run."),
    JSON,
    examples=[
        ("tidemill prune --dry-run", "what goes by the settings now"),
        ("tidemill prune --older-than 30d", "also what the settings would keep longer"),
        ("tidemill prune --keep 100 --json", "of each flow the newest hundred"),
        ("tidemill prune --max-size 2GB", "the oldest runs, until everything takes less"),
    ],
)
def command(
    invocation: Invocation,
    *,
    older_than: str | None,
    keep: int | None,
    max_size: str | None,
    failed: bool,
    dry_run: bool,
    compact: bool,
    as_json: bool,
) -> None:
    """Remove what is too old, too many or too large.

    Runs that have ended go with their journals, logs and results; so do old moments of the ledger and source texts that
    no run was made of any more. The newest run of each flow stays, and so does what another run was retried from.
    The daemon does this by itself; an option stands in for its setting, and the other settings hold.
    """
    if failed and older_than is None:
        raise UsageError("--failed goes with --older-than: from what age on failed runs go too")
    bounds = {
        "older_than": None if older_than is None else parse_span(older_than).total_seconds(),
        "keep": keep,
        "size": None if max_size is None else parse_size(max_size),
        "failed": failed,
    }
    if not invocation.has_history:
        _ = invocation.reader  # says what is missing
    if dry_run:
        report = _foresee(invocation, bounds)
    elif compact:
        _refuse_beside_daemon(invocation)
        report = _by_ourselves(invocation, bounds, "--compact")
    else:
        report = _prune(invocation, bounds)
    if as_json:
        print_document(report)
    else:
        _print(report)


def _foresee(invocation: Invocation, bounds: Record) -> Record:
    from tidemill.care.policy import Policy
    from tidemill.care.rounds import foresee
    from tidemill.domain.times import to_micros

    policy = Policy.of(invocation.settings.retention).instead(**bounds)
    address = invocation.settings.places.database_url or invocation.paths.database
    return foresee(address, invocation.paths, policy, to_micros(invocation.now())).document()


def _prune(invocation: Invocation, bounds: Record) -> Record:
    """Have the daemon do it, which writes the history; where there is none, one of its kind for a moment."""
    try:
        return invocation.client.request("prune", timeout=60.0, **bounds)
    except DaemonNotRunning:
        if is_running(invocation):
            raise
    return _by_ourselves(invocation, bounds)


def _by_ourselves(invocation: Invocation, bounds: Record, *options: str) -> Record:
    line = program("tidemill.service.housekeeping", "prune", json.dumps(bounds), *options, invocation=invocation)
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"the pruning ended with {done.returncode}"]
        raise error_of(done.returncode, told[-1].removeprefix("tidemill: "))
    report: Record = json.loads(done.stdout)
    return report


def _refuse_beside_daemon(invocation: Invocation) -> None:
    if invocation.settings.places.database_url is not None:
        raise Refused("only a history in SQLite is made compact by tidemill; PostgreSQL has VACUUM FULL for that")
    if is_running(invocation):
        raise Refused("the history cannot be made compact while the daemon writes it; stop it first: tidemill stop")


def _print(report: Record) -> None:
    removed = [
        counted(report[name], noun)
        for name, noun in (
            ("runs", "run"),
            ("moments", "old moment"),
            ("leftovers", "leftover"),
            ("versions", "old version"),
            ("cached", "kept result"),
        )
        if report[name]
    ]
    if report["failed_runs"]:
        removed[0] += f" ({report['failed_runs']} failed)"
    told = ", ".join(removed) or "nothing"
    would = "would remove" if report["dry_run"] else "removed"
    room = "" if report["size"] is None else f"; {size(report['size'])} are left"
    say(f"{would} {told}: {size(report['freed'])}{room}")
    if report["failed_kept"]:
        kept = counted(report["failed_kept"], "run")
        say(f"{kept} of that age failed and stay (retention.keep_failed_for); they go with --failed")
    if report["needed"]:
        say(f"{counted(report['needed'], 'run')} stay because others were retried from them")
    if report["unrecorded"]:
        journals = counted(report["unrecorded"], "journal")
        say(f"{journals} of runs that the history does not know stay; look with: tidemill doctor")
    for note in report["notes"]:
        say(neutral(note))
