"""From what a person typed to a flow or a run that exists, or the sentence that helps."""

from pathlib import PurePath
from typing import Any

from tidemill.cli.invocation import Invocation
from tidemill.cli.suggestions import did_you_mean
from tidemill.domain.errors import NotFound

Record = dict[str, Any]


def find_flow(invocation: Invocation, name: str) -> Record:
    """Return the flow *name* as the history knows it."""
    try:
        return invocation.reader.flow(name)
    except NotFound:
        raise NotFound(f"there is no flow {name!r}{flow_advice(invocation, name)}") from None


def find_run(invocation: Invocation, reference: str) -> str:
    """Return the id of the run that *reference* means: an id, its beginning, ``last``, ``FLOW@last``."""
    try:
        return invocation.reader.find_run(reference)
    except NotFound as error:
        flow = reference.removesuffix("@last")
        if flow != reference:
            find_flow(invocation, flow)
        elif reference in flow_names(invocation):
            raise NotFound(f"{reference} is a flow, not a run; its newest run is {reference}@last") from None
        raise error from None


def flow_names(invocation: Invocation) -> list[str]:
    """Return the names of all flows, for suggestions and completion."""
    return [flow["name"] for flow in invocation.reader.flows() if flow["name"]]


def broken_file(invocation: Invocation, name: str) -> Record | None:
    """Return the file that *name* means, by its name or as the flow it would hold, if it was never good."""
    return next(
        (
            file
            for file in invocation.reader.flows()
            if not file["name"] and name in (file["file"], PurePath(file["file"]).name, PurePath(file["file"]).stem)
        ),
        None,
    )


def flow_advice(invocation: Invocation, name: str) -> str:
    """Return what may help with a flow that does not exist."""
    if broken := broken_file(invocation, name):
        return f": its file is broken, {broken['error']}"
    if name.endswith(".py"):
        return f"; run a file by its path: tidemill run ./{name}"
    return did_you_mean(name, flow_names(invocation)) or "; list them with: tidemill flows"
