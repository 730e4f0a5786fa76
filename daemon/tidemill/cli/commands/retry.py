"""``tidemill retry``: a new run that takes over what an old one finished."""

from typing import Any

from tidemill.cli.awaiting import Awaited
from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_run
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.cli.witnessing import see_through


@verb(
    "retry",
    argument("run", offers="run"),
    option("--from", "begin", metavar="TASK", offers="task", help="Run this task again, and all that comes after it."),
    option("--dry-run", "plan", is_flag=True, help="Tell what would run again and what is taken over; run nothing."),
    option("--wait", is_flag=True, help="Return when the run has ended, with 1 unless it completed."),
    option("--follow", is_flag=True, help="Print what it writes, until it has ended."),
    JSON,
    examples=[
        ("tidemill retry nightly@last", "from the tasks that failed"),
        ("tidemill retry k3f --wait", "and see it through"),
        ("tidemill retry k3f --from transform", "transform and what follows it, finished or not"),
        ("tidemill retry k3f --from transform --dry-run", "only tell what that would be"),
    ],
)
def command(
    invocation: Invocation, *, run: str, begin: str | None, plan: bool, wait: bool, follow: bool, as_json: bool
) -> int:
    """Run the failed tasks of a run again.

    A new run takes over the tasks that completed; they are not executed again unless --from says so. A run that was
    retried already goes on from its last attempt. It prints the new run's id.
    """
    uid = find_run(invocation, run)
    asked: dict[str, Any] = {"run": uid} if begin is None else {"run": uid, "from": begin}
    told: dict[str, Any] | None = None
    if plan or begin is not None:
        told = invocation.client.request("retry", **asked, plan=True)
        if not (plan and as_json):
            _tell(uid, told)
    if plan:
        if as_json:
            print_document(told)
        return 0
    if wait or follow:
        awaited = Awaited(invocation, "retry", **asked)
        if told is None:
            _tell(uid, awaited.first)
        if not as_json:
            say(f"run {awaited.uid}", err=True)
        return see_through(invocation, awaited, follow=follow, as_json=as_json)
    answer = invocation.client.request("retry", **asked)
    if told is None:
        _tell(uid, answer)
    if as_json:
        print_document(answer)
    else:
        say(answer["run"])
    return 0


def _tell(uid: str, told: dict[str, Any]) -> None:
    """Tell a person what may surprise, beside what is printed for programs."""
    if told.get("parent", uid) != uid:
        say(f"the run {uid} was retried already; this goes on from its last attempt, {told['parent']}", err=True)
    if told.get("from"):
        again = ", ".join(
            neutral(each["name"]) if each["tasks"] == 1 else f"{neutral(each['name'])} ({each['tasks']})"
            for each in told["again"]
        )
        say(f"runs again although finished: {again or 'nothing'}", err=True)
    if told["run"] is None:
        say(f"takes over: {counted(told['taken_over'], 'finished task')}", err=True)
    for warning in told.get("warnings", ()):
        say(f"warning: {neutral(warning)}", err=True)
