"""``tidemill reload``: read the settings and the flow files again."""

from tidemill.cli import exits
from tidemill.cli.broken import error_line
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted
from tidemill.cli.terminal import neutral, say, style
from tidemill.cli.verb import verb


@verb(
    "reload",
    examples=[("tidemill reload", "it returns when everything is in force; 1 when a file is broken or not done")],
)
def command(invocation: Invocation) -> int:
    """Read the flow files again, now.

    The daemon sees changed files by itself within a second; this also reads the settings again, and waits.
    """
    answer = invocation.client.request("reload", timeout=120.0)
    errors = answer.get("errors") or []
    left_out = int(answer.get("errors_left_out", 0))
    say(f"{counted(int(answer.get('flows', 0)), 'flow')}, {counted(len(errors) + left_out, 'error')}")
    for error in errors:
        say(f"{style('broken', 'red')}  {error_line(error)}")
    if left_out:
        say(f"and {left_out} more; all of them: tidemill status")
    is_whole = bool(answer.get("whole", True))
    if not is_whole:
        say("some files are still being inspected, and count as they were; what becomes of them: tidemill status")
    if sections := answer.get("restart_needed"):
        say(neutral(f"changed, and in force after tidemill restart: {', '.join(sections)}"))
    return exits.DONE if is_whole and not errors else exits.FAILED
