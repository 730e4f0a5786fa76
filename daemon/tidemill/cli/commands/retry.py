"""``tidemill retry``: a new run that takes over what an old one finished."""

from tidemill.cli.awaiting import Awaited
from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_run
from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.cli.witnessing import see_through


@verb(
    "retry",
    argument("run", offers="run"),
    option("--wait", is_flag=True, help="Return when the run has ended, with 1 unless it completed."),
    option("--follow", is_flag=True, help="Print what it writes, until it has ended."),
    JSON,
    examples=[
        ("tidemill retry nightly@last", "from the tasks that failed"),
        ("tidemill retry k3f --wait", "and see it through"),
    ],
)
def command(invocation: Invocation, run: str, wait: bool, follow: bool, as_json: bool) -> int:
    """Run the failed tasks of a run again.

    A new run takes over the tasks that completed; they are never executed again. It prints the new run's id.
    """
    uid = find_run(invocation, run)
    if wait or follow:
        awaited = Awaited(invocation, "retry", run=uid)
        if not as_json:
            say(f"run {awaited.uid}", err=True)
        return see_through(invocation, awaited, follow=follow, as_json=as_json)
    answer = invocation.client.request("retry", run=uid)
    if as_json:
        print_document(answer)
    else:
        say(answer["run"])
    return 0
