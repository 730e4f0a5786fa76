"""``tidemill run``: a flow by the daemon, or a file in this terminal."""

import os
import sys

from tidemill.cli.awaiting import Awaited
from tidemill.cli.documents import print_document
from tidemill.cli.finding import flow_names
from tidemill.cli.invocation import Invocation
from tidemill.cli.parameters import parse_parameters
from tidemill.cli.suggestions import did_you_mean
from tidemill.cli.terminal import is_terminal, say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.cli.witnessing import see_through
from tidemill.control.answers import UsageError
from tidemill.domain.errors import DaemonNotRunning, NotFound


@verb(
    "run",
    argument("target", metavar="FLOW|FILE[:FLOW]", offers="flow_or_file"),
    option("-p", "--param", "given", many=True, metavar="NAME=VALUE", help="A parameter; may be repeated."),
    option("--wait", is_flag=True, help="Return when the run has ended, with 1 unless it completed."),
    option("--follow", is_flag=True, help="Print what it writes, until it has ended."),
    option("--force", is_flag=True, help="Run the flow though it is paused."),
    JSON,
    examples=[
        ("tidemill run nightly", "it prints the run's id, which is durable then"),
        ("tidemill run nightly --wait", "see it through; exits with 1 when it fails"),
        ("tidemill run greet -p name=Alice -p times=3", "with parameters: JSON, else text"),
        ("tidemill run flows/etl.py", "the file's flow, in this terminal, without a daemon"),
        ("tidemill run flows/etl.py:load --follow", "one flow of a file that holds several"),
    ],
)
def command(
    invocation: Invocation, *, target: str, given: tuple[str, ...], wait: bool, follow: bool, force: bool, as_json: bool
) -> int:
    """Run a flow, or a file, now.

    A flow is run by the daemon. A file is run in this terminal, with or without a daemon, and recorded all the same.
    """
    from tidemill.cli.local import names_file, run_file

    parameters = parse_parameters(given)
    if names_file(target):
        if as_json or force:
            raise UsageError("a file runs in this terminal and prints what it writes; --json and --force are for flows")
        return run_file(invocation, target, parameters)
    try:
        if wait or follow:
            awaited = Awaited(invocation, "run", flow=target, parameters=parameters, force=force)
            if not as_json:
                say(f"run {awaited.uid}", err=True)
            return see_through(invocation, awaited, follow=follow, as_json=as_json)
        answer = invocation.client.request("run", flow=target, parameters=parameters, force=force)
    except NotFound as error:
        raise NotFound(_advised(invocation, target, str(error))) from None
    except DaemonNotRunning as error:
        raise DaemonNotRunning(_advised_without_daemon(invocation, target, str(error))) from None
    if as_json:
        print_document(answer)
        return 0
    say(answer["run"])
    if is_terminal():
        say(f"See it with: tidemill show {answer['run']}; tidemill logs {answer['run']} -f", err=True)
    sys.stdout.flush()
    return 0


def _advised(invocation: Invocation, name: str, told: str) -> str:
    """Return the sentence about a flow that does not exist, with the nearest that do."""
    if "did you mean" in told or not invocation.has_history:
        return told
    return told.rstrip(".") + did_you_mean(name, flow_names(invocation))


def _advised_without_daemon(invocation: Invocation, name: str, told: str) -> str:
    """Return the sentence about the missing daemon, with the way that needs none."""
    if not invocation.has_history:
        return told
    file = next((flow["path"] for flow in invocation.reader.flows() if flow["name"] == name), None)
    return f"{told}, or run it in this terminal: tidemill run {_nearby(file)}:{name}" if file else told


def _nearby(file: str) -> str:
    """Return the file's path from here, where that is shorter."""
    return min(file, os.path.relpath(file), key=len)
