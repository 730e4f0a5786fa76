"""``tidemill start``: a daemon in the background."""

from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import start_daemon
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import verb


@verb(
    "start",
    examples=[("tidemill start", "it returns when the flows are loaded")],
)
def command(invocation: Invocation) -> None:
    """Start the daemon in the background.

    Under systemd use systemctl start tidemill instead.
    """
    pid = start_daemon(invocation)
    say(neutral(f"the daemon runs with pid {pid} and watches {invocation.settings.places.flows_dir}"))
