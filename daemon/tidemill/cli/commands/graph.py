"""``tidemill graph``: the tasks of a flow and what needs what."""

from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.drawing import ALL_SUCCEEDED, MERMAID_EDGES, dot, mermaid, tree
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.control.answers import UsageError
from tidemill.domain.errors import NotFound
from tidemill.domain.naming import base_name

Record = dict[str, Any]


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

    A task that needs several others stands below the last of them, and the others are named behind it. Of a function
    flow the tasks are known only when it runs: those of its newest run are drawn, without what needed what.
    """
    if as_mermaid + as_dot + as_json > 1:
        raise UsageError("--mermaid, --dot and --json are three forms of the same; take one of them")
    manifest = find_flow(invocation, flow).get("manifest") or {}
    declared: list[Record] = list(manifest.get("tasks") or ())
    seen, run = ([], None) if declared else _last_tasks(invocation, flow)
    tasks = declared or seen
    if as_json:
        _print_json(tasks, known=bool(declared))
        return
    if not declared:
        _explain(flow, run, aside=as_mermaid or as_dot)
    edges = sum(len(task["depends_on"]) for task in tasks)
    if as_mermaid and edges > MERMAID_EDGES:
        say(f"Mermaid draws {MERMAID_EDGES} lines, and there are {edges}: raise its maxEdges, or use --dot", err=True)
    draw = mermaid if as_mermaid else dot if as_dot else tree
    for line in draw(tasks) if tasks else ():
        say(line)


def _last_tasks(invocation: Invocation, flow: str) -> tuple[list[Record], str | None]:
    """Return the tasks that the newest run of a flow has called so far, each name once, and the run's id."""
    try:
        uid = invocation.reader.find_run(f"{flow}@last")
    except NotFound:
        return [], None
    runs: dict[str, int] = {}
    for task in invocation.reader.run_detail(uid)["tasks"]:
        name = base_name(task["name"])
        runs[name] = runs.get(name, 0) + 1
    return [
        {"index": index, "name": name, "depends_on": [], "runs": count}
        for index, (name, count) in enumerate(runs.items())
    ], uid


def _explain(flow: str, run: str | None, *, aside: bool) -> None:
    known = f"{neutral(flow)} calls its tasks as it runs"
    if run is None:
        say(f"{known}; it has not run yet: tidemill run {neutral(flow)}", err=aside)
    else:
        say(f"{known}; these are those of its newest run: tidemill show {neutral(flow)}@last", err=aside)


def _print_json(tasks: list[Record], *, known: bool) -> None:
    """Print each task with the names of what it needs; what only a declaration tells is null where there is none."""
    names = {task["index"]: task["name"] for task in tasks}
    print_document(
        [
            {
                "name": task["name"],
                "depends_on": [names[index] for index in task["depends_on"]] if known else None,
                "condition": task.get("condition") or ALL_SUCCEEDED if known else None,
                "mapped": list(task.get("mapped") or ()) if known else None,
                "runs": task.get("runs"),
            }
            for task in tasks
        ]
    )
