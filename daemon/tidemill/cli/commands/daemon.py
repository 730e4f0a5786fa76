"""``tidemill daemon``: become the daemon, in the foreground."""

import os
import sys

from tidemill.cli.invocation import Invocation
from tidemill.cli.programs import program
from tidemill.cli.verb import verb


@verb(
    "daemon",
    examples=[
        ("tidemill daemon", "Ctrl-C ends it; live runs go on"),
        ("tidemill --flows ~/flows daemon", "with another folder"),
    ],
)
def command(invocation: Invocation) -> None:
    """Serve in the foreground.

    This is what the systemd unit runs. It logs to standard error.
    """
    # Settings that cannot be used are told before the program changes.
    _ = invocation.settings
    sys.stdout.flush()
    line = program("tidemill.service", invocation=invocation)
    os.execv(line[0], line)
