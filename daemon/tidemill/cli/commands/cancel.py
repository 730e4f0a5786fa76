"""``tidemill cancel``: end runs."""

from tidemill.cli.finding import find_run
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted
from tidemill.cli.states import state_text
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import argument, option, verb
from tidemill.domain.errors import Refused


@verb(
    "cancel",
    argument("runs", metavar="RUN...", many=True, offers="run"),
    option("--waiting", is_flag=True, help="The names are of flows: end every run of theirs that has not begun."),
    examples=[
        ("tidemill cancel k3f", "by the first letters of its id"),
        ("tidemill cancel nightly@last", "the newest run of a flow"),
        ("tidemill cancel --waiting nightly", "all that wait, such as what catchup='all' makes up for"),
    ],
)
def command(invocation: Invocation, runs: tuple[str, ...], waiting: bool) -> None:
    """End runs that are going or waiting.

    A live run is asked to stop, and ended with all its processes when it does not.
    """
    for reference in runs:
        if waiting:
            count = int(invocation.client.request("cancel", waiting=reference)["cancelled"])
            say(neutral(f"{reference}: {counted(count, 'waiting run')} cancelled"))
            continue
        uid = find_run(invocation, reference)
        try:
            answer = invocation.client.request("cancel", run=uid)
        except Refused:
            # What was wanted is so already; any other end is a refusal.
            if invocation.reader.run(uid)["state"] != "cancelled":
                raise
            say(f"{uid} was cancelled already")
        else:
            say(f"{uid} {state_text(str(answer.get('state', 'cancelling')))}")
