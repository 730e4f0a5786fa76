"""``tidemill show``: everything about one flow or one run."""

from contextlib import suppress
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_run, flow_advice, flow_names
from tidemill.cli.flowviews import print_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.planning import fill_in_next, specs_of
from tidemill.cli.runviews import print_run
from tidemill.cli.terminal import say
from tidemill.cli.verb import JSON, argument, verb
from tidemill.domain.errors import NotFound


@verb(
    "show",
    argument("name", metavar="FLOW|RUN", offers="flow_or_run"),
    JSON,
    examples=[
        ("tidemill show nightly", "a flow: schedules, parameters, newest runs"),
        ("tidemill show nightly@last", "its newest run: tasks, events, errors"),
        ("tidemill show k3f --json", "a run by the first letters of its id, for a script"),
    ],
)
def command(invocation: Invocation, name: str, as_json: bool) -> None:
    """Show one flow or one run."""
    flow, uid = _find(invocation, name)
    if flow is not None:
        fill_in_next(invocation, flow)
        if as_json:
            print_document(flow)
            return
        schedules = [spec.describe() for spec in specs_of(flow, None)]
        print_flow(flow, schedules, invocation.reader.runs(flow=name, limit=5), invocation.now())
        return
    run = invocation.reader.run_detail(uid)
    if as_json:
        print_document(run)
    else:
        print_run(run, invocation.now())


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
