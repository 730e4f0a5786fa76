"""``tidemill show``: everything about one flow or one run."""

from contextlib import suppress
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_run, flow_advice, flow_names
from tidemill.cli.flowviews import print_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.planning import fill_in_next, specs_of
from tidemill.cli.runviews import Wanted, print_run
from tidemill.cli.states import NAMES
from tidemill.cli.suggestions import did_you_mean
from tidemill.cli.taskviews import choose
from tidemill.cli.terminal import say
from tidemill.cli.verb import JSON, Choice, argument, option, verb
from tidemill.cli.waiting import fill_in_waiting
from tidemill.control.answers import UsageError
from tidemill.domain.errors import NotFound
from tidemill.domain.naming import base_name


@verb(
    "show",
    argument("name", metavar="FLOW|RUN", offers="flow_or_run"),
    option("--task", metavar="TASK", offers="task", help="Of a run: only this task, or this item of a mapped one."),
    option("--state", "states", many=True, kind=Choice(NAMES), metavar="STATE", help="Of a run: only tasks so ended."),
    option("--all", "everything", is_flag=True, help="Of a run: every task and every error, however many."),
    JSON,
    examples=[
        ("tidemill show nightly", "a flow: schedules, parameters, newest runs"),
        ("tidemill show nightly@last", "its newest run: tasks, events, errors"),
        ("tidemill show k3f --state failed", "of ten thousand tasks those that failed"),
        ("tidemill show k3f --json", "a run by the first letters of its id, for a script"),
    ],
)
def command(
    invocation: Invocation, *, name: str, task: str | None, states: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """Show one flow or one run.

    Where a run has many tasks of one name, they share a line, and those that failed come first.
    """
    wanted = Wanted(task, states, everything)
    flow, uid = _find(invocation, name)
    if flow is not None:
        if any(wanted):
            raise UsageError(f"{name} is a flow; --task, --state and --all are for a run, such as {name}@last")
        fill_in_next(invocation, flow)
        if as_json:
            print_document(flow)
            return
        schedules = [spec.describe() for spec in specs_of(flow, None)]
        print_flow(flow, schedules, invocation.reader.runs(flow=name, limit=5), invocation.now())
        return
    run = invocation.reader.run_detail(uid)
    fill_in_waiting(invocation, [run])
    if task is not None and not choose(run["tasks"], task, ()):
        names = dict.fromkeys(base_name(record["name"]) for record in run["tasks"])
        raise NotFound(f"the run {uid} has no task {task!r}{did_you_mean(task, names)}")
    if as_json:
        print_document({**run, "tasks": choose(run["tasks"], task, states)} if wanted.is_some else run)
    else:
        print_run(run, invocation.now(), wanted)


def _find(invocation: Invocation, name: str) -> tuple[dict[str, Any] | None, str]:
    """Return the flow, or the id of the run, that bears *name*.

    A flow's whole name wins over the beginning of an id: in a long history some run begins with anything.
    """
    flows = flow_names(invocation)
    try:
        uid = find_run(invocation, name)
    except NotFound as error:
        with suppress(NotFound):  # Also one that has left the folder.
            return dict(invocation.reader.flow(name)), ""
        if "@" in name or name == "last" or "could be" in str(error):
            raise
        raise NotFound(f"there is no flow and no run {name!r}{flow_advice(invocation, name)}") from None
    if name not in flows:
        return None, uid
    say(f"{name} is a flow; the run whose id begins so is {uid}", err=True)
    return dict(invocation.reader.flow(name)), ""
