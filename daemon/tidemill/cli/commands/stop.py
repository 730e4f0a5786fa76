"""``tidemill stop``: end the daemon."""

from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import stop_daemon
from tidemill.cli.phrasing import counted
from tidemill.cli.terminal import say
from tidemill.cli.verb import option, verb
from tidemill.control.answers import UsageError


@verb(
    "stop",
    option("--drain", is_flag=True, help="Start nothing more and wait until live runs have ended."),
    option("--cancel", is_flag=True, help="Cancel live runs."),
    examples=[
        ("tidemill stop", "live runs go on; the next daemon takes them over"),
        ("tidemill stop --drain", "start nothing more, and wait for live runs to end"),
        ("tidemill stop --cancel", "cancel live runs first"),
    ],
)
def command(invocation: Invocation, drain: bool, cancel: bool) -> None:
    """Stop the daemon; live runs go on.

    Their history is complete after the next start. It returns when the daemon is gone.
    """
    if drain and cancel:
        raise UsageError("--drain waits for the live runs and --cancel ends them; take one of the two")
    live = stop_daemon(invocation, drain=drain, cancel=cancel, patience=None if drain or cancel else 60.0)
    goes_on = live and not drain and not cancel
    say(f"the daemon has stopped; {counted(live, 'live run')} left to go on" if goes_on else "the daemon has stopped")
