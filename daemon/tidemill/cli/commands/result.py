"""``tidemill result``: what a run or a task of it returned."""

from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.fields import print_text
from tidemill.cli.finding import find_run
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import size
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, verb
from tidemill.domain.results import ITEMS


@verb(
    "result",
    argument("run", offers="run"),
    argument("task", required=False, offers="task"),
    JSON,
    examples=[
        ("tidemill result nightly@last", "what the newest run returned"),
        ("tidemill result k3f transform", "what one task returned"),
        ("tidemill result k3f transform --json", "with handler, location and size"),
    ],
)
def command(invocation: Invocation, run: str, task: str | None, as_json: bool) -> None:
    """Print what a run or a task returned.

    A value that is JSON is printed whole. Of any other there is the readable preview made when it was written, and
    where it is kept: reading never unpickles.
    """
    uid = find_run(invocation, run)
    result = invocation.reader.result(uid, task)
    if as_json:
        print_document(result)
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    if result["value"] is not None or (result["encoding"] == "json" and result["preview"] == "null"):
        print_text(_pretty(result["value"]))
        return
    print_text(str(result["preview"]))
    if result["handler"] == ITEMS:
        told = f"each has a result of its own: tidemill result {result['run']} '{result['task']}[0]'"
        say(neutral(f"({told})"), err=True)
        return
    if result["location"]:
        told = f"{size(result['size'])} at {result['location']}"
    else:
        told = f"{size(result['size'])} in the history, as {result['encoding'] or result['handler']}"
    say(neutral(f"({told}; this is its preview)"), err=True)


def _pretty(value: Any) -> str:
    """Return a value that came from JSON for reading; text as it is."""
    import json

    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
