"""The table of commands: all that the program knows of them until one is called."""

import sys
from typing import Final

from tidemill.cli.verb import Verb

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Service": {
        "daemon": "Serve in the foreground.",
        "start": "Start the daemon in the background.",
        "stop": "Stop the daemon; live runs go on.",
        "restart": "Stop the daemon and start it again.",
        "reload": "Read the flow files again, now.",
        "status": "Tell how the daemon is.",
        "check": "Validate the settings and flow files.",
        "doctor": "Examine everything, and repair what can be.",
    },
    "Flows": {
        "flows": "List the flows.",
        "show": "Show one flow or one run.",
        "run": "Run a flow, or a file, now.",
        "pause": "Hold back the schedules of flows.",
        "resume": "Let paused flows run again.",
        "next": "List the moments that come next.",
        "why": "Say why a flow ran, did not run, or will not.",
        "backfill": "Run a flow for moments that have passed.",
        "graph": "Draw the tasks of a flow.",
    },
    "History": {
        "runs": "List runs, the newest first.",
        "logs": "Print what a run has written.",
        "result": "Print what a run or a task returned.",
        "cancel": "End runs that are going or waiting.",
        "retry": "Run the failed tasks of a run again.",
        "stats": "Tell how flows do: successes, durations, waits.",
    },
    "Care": {
        "init": "Make a folder to begin with.",
        "prune": "Remove what is too old, too many or too large.",
        "backup": "Copy the history to a file, and verify the copy.",
        "config": "Print each setting and where it came from.",
        "completion": "Print the completion script of a shell.",
    },
}
"""What ``--help`` prints, so that it need not import every command; a test holds it equal to their own words."""

SUMMARIES: Final = {name: told for section in SECTIONS.values() for name, told in section.items()}

OPTIONS: Final = (
    ("--config FILE", "The configuration file. [env: TIDEMILL_CONFIG]"),
    ("--flows DIR", "The watched folder. [env: TIDEMILL_FLOWS_DIR]"),
    ("--state DIR", "The state directory. [env: TIDEMILL_STATE_DIR]"),
    ("--version", "Print it."),
    ("-h, --help", "Show this message and exit."),
)
"""What stands before the command."""

EXAMPLES: Final = (
    ("tidemill flows", "which flows there are, and when they run next"),
    ("tidemill run nightly --wait", "run one now, and see it through"),
    ("tidemill runs --state failed --since 1d", "what failed since yesterday"),
    ("tidemill logs last -f", "watch what the newest run prints"),
    ("tidemill why nightly --at 02:00", "why it ran at two, or did not"),
)


def load(name: str) -> Verb:
    """Import the command *name*, which is one of the table's."""
    module = f"tidemill.cli.commands.{name}"
    __import__(module)
    command: Verb = sys.modules[module].command
    return command
