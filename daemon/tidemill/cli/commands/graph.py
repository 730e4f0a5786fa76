"""``tidemill graph``: the tasks of a flow and what needs what."""

from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.drawing import dot, mermaid, tree
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.control.answers import UsageError


@verb(
    "graph",
    argument("flow", offers="flow"),
    option("--mermaid", "as_mermaid", is_flag=True, help="Print Mermaid text."),
    option("--dot", "as_dot", is_flag=True, help="Print Graphviz text."),
    JSON,
    examples=[
        ("tidemill graph nightly", "as a tree, each task below what it needs"),
        ("tidemill graph nightly --mermaid", "to paste into a README"),
        ("tidemill graph nightly --dot | dot -Tsvg > nightly.svg", "for Graphviz"),
    ],
)
def command(invocation: Invocation, flow: str, as_mermaid: bool, as_dot: bool, as_json: bool) -> None:
    """Draw the tasks of a flow.

    A task that needs several others stands below the last of them, and the others are named behind it.
    """
    if as_mermaid + as_dot + as_json > 1:
        raise UsageError("--mermaid, --dot and --json are three forms of the same; take one of them")
    manifest = find_flow(invocation, flow).get("manifest") or {}
    tasks: list[dict[str, Any]] = list(manifest.get("tasks") or ())
    if as_json:
        names = {task["index"]: task["name"] for task in tasks}
        print_document(
            [{"name": task["name"], "depends_on": [names[index] for index in task["depends_on"]]} for task in tasks]
        )
    elif not tasks:
        say(f"{neutral(flow)} calls its tasks as it runs; see those of a run with: tidemill show {flow}@last")
    else:
        draw = mermaid if as_mermaid else dot if as_dot else tree
        for line in draw(tasks):
            say(line)
