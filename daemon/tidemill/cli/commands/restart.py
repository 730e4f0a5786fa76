"""``tidemill restart``: end the daemon and start another."""

from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import is_running, start_daemon, stop_daemon
from tidemill.cli.terminal import say
from tidemill.cli.verb import verb


@verb(
    "restart",
    examples=[("tidemill restart", "after an upgrade, or when reload asks for it")],
)
def command(invocation: Invocation) -> None:
    """Stop the daemon and start it again.

    Live runs are not disturbed: the new daemon takes them over. Where none runs, one is started.
    """
    # Before anything is stopped: settings that cannot be used would leave no daemon at all.
    _ = invocation.settings
    if is_running(invocation):
        stop_daemon(invocation, drain=False, cancel=False, patience=60.0)
    say(f"the daemon runs with pid {start_daemon(invocation)}")
