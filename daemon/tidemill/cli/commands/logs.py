"""``tidemill logs``: what a run has written."""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_run
from tidemill.cli.following import may_write
from tidemill.cli.invocation import Invocation
from tidemill.cli.logfiles import LogLine, lines, lines_within, parse, pieces
from tidemill.cli.states import LIVE
from tidemill.cli.terminal import neutral_lines, say, style
from tidemill.cli.verb import JSON, Number, argument, option, verb
from tidemill.control.answers import UsageError

_COLOURS: Final = {"ERR": "yellow", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}


@verb(
    "logs",
    argument("run", offers="run"),
    option("-f", "--follow", is_flag=True, help="Print on until the run has ended."),
    option("--task", metavar="TASK", offers="task", help="Only what this task wrote."),
    option("-n", "last", kind=Number(0, 1_000_000), help="Only the last lines, so many."),
    option("--raw", is_flag=True, help="The bytes as they are, control characters and all."),
    JSON,
    examples=[
        ("tidemill logs last -f", "watch the newest run until it ends"),
        ("tidemill logs nightly@last --task load", "one task of a flow's newest run"),
        ("tidemill logs k3f -n 50", "the last fifty lines"),
        ("tidemill logs k3f --raw > run.log", "byte for byte"),
    ],
)
def command(
    invocation: Invocation, *, run: str, follow: bool, task: str | None, last: int | None, raw: bool, as_json: bool
) -> None:
    """Print what a run has written.

    Standard output, standard error and log records, with time and task. It needs no daemon, -f neither.
    The lines of sub-flows bear their runs' ids; of a sub-flow itself only its own lines are printed.
    Control characters are made visible, unless --raw is given.
    """
    if (as_json and (follow or raw)) or (raw and task):
        raise UsageError("--json prints one document and --raw prints every byte; they go with neither -f nor --task")
    uid = find_run(invocation, run)
    root = invocation.reader.run(uid)["root"]
    path = invocation.paths.log(root or uid)
    arriving = pieces(path, follow=_still(invocation, uid, root) if follow else None, last=None if root else last)
    if raw:
        if root:
            say(f"the run {uid} is a sub-flow; this is the whole log of {root}, which holds its lines", err=True)
        for piece in arriving:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    found: Iterable[LogLine] = (parse(line) for line in lines(arriving))
    if root:
        found = lines_within(uid, found, lambda: invocation.reader.callers(root))
    wanted: Iterable[LogLine] = (line for line in found if task is None or line.task == task)
    if root and last is not None and not follow:
        wanted = deque(wanted, last)
    if as_json:
        print_document([line._asdict() for line in wanted])
        return
    for line in wanted:
        say(_shown(line))
    if not path.exists():
        say(f"the run {uid} has written nothing that is kept", err=True)


def _still(invocation: Invocation, uid: str, root: str | None) -> Callable[[], bool]:
    """Return how to ask whether the run may still write; a sub-flow does so while the run lives that carries it."""
    if root is None:
        return lambda: may_write(invocation, uid)
    return lambda: may_write(invocation, root) and invocation.reader.run(uid)["state"] in LIVE


def _shown(line: LogLine) -> str:
    """Return a line for a terminal; nothing in it can pass for another line, or move the cursor."""
    text = neutral_lines(line.text)
    if line.at is None or line.level is None:
        return text
    colour = _COLOURS.get(line.level)
    writer = neutral_lines(line.task or "-")
    head = style(f"{line.at} [{line.run}/{writer}]" if line.run else f"{line.at} [{writer}]", "dim")
    return f"{head} {style(f'{line.level} {text}', colour) if colour else f'{line.level} {text}'}"
