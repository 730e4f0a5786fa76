"""``tidemill check``: what is wrong with the settings and the flow files, without starting anything."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tidemill.cli import exits
from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted
from tidemill.cli.programs import program
from tidemill.cli.terminal import neutral, say, style, symbols_fit
from tidemill.cli.verb import JSON, FilePath, argument, verb
from tidemill.domain.errors import ConfigurationError, TidemillError


@verb(
    "check",
    argument("files", metavar="[FILE...]", many=True, required=False, kind=FilePath(exists=True)),
    JSON,
    examples=[
        ("tidemill check", "the settings and every flow file"),
        ("tidemill check flows/etl.py", "one file, before it is dropped in the folder"),
        ("tidemill check --json", "for an editor or CI: file, line, message"),
    ],
)
def command(invocation: Invocation, files: tuple[Path, ...], as_json: bool) -> int:
    """Validate the settings and flow files.

    Each file is loaded in a process of its own, under a time limit. It exits with 1 when a file has an error,
    with 5 when the settings have.
    """
    try:
        flows_dir = Path(invocation.settings.places.flows_dir)
    except ConfigurationError as error:
        if as_json:
            named = str(invocation.config) if invocation.config else None
            problem = {"line": None, "message": str(error)}
            print_document([{"file": named, "flows": [], "errors": [problem], "warnings": []}])
            return exits.CONFIGURATION
        raise
    if not files and not flows_dir.is_dir():
        raise ConfigurationError(
            f"there is no folder {flows_dir} to look for flow files in; make it with: tidemill init"
        )
    limits = json.dumps(list(invocation.settings.limits))
    strict = ["--trust"] if invocation.settings.catalog.writers == "owner" else []
    found = _inspect([f"--limits={limits}", *strict, *(str(path.absolute()) for path in files or (flows_dir,))])
    if as_json:
        print_document(found)
    else:
        for file in found:
            _print(file)
        _print_summary(found)
    return exits.FAILED if any(file["errors"] for file in found) else exits.DONE


def _inspect(arguments: list[str]) -> list[dict[str, Any]]:
    """Return what a child found out about the files; this process never loads one."""
    line = program("tidemill.service.check", *arguments)
    done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise TidemillError(f"the files could not be inspected: {told[-1].removeprefix('tidemill: ')}") from None
    return list(found)


def _print(file: dict[str, Any]) -> None:
    """Print one file: its flows, or what is wrong with it."""
    good, bad = ("✓", "✗") if symbols_fit() else ("ok", "!!")
    mark = style(bad, "red") if file["errors"] else style(good, "green")
    flows = ", ".join(flow if isinstance(flow, str) else str(flow.get("name")) for flow in file["flows"])
    say(f"{mark} {neutral(file['file'])}" + (f"  {neutral(flows)}" if flows else ""))
    for kind, colour in (("error", "red"), ("warning", "yellow")):
        for problem in file[f"{kind}s"]:
            where = f"line {problem['line']}: " if problem.get("line") else ""
            say(f"    {style(kind, colour)}  {neutral(where + str(problem['message']))}")


def _print_summary(found: list[dict[str, Any]]) -> None:
    errors, warnings = (sum(len(file[kind]) for file in found) for kind in ("errors", "warnings"))
    say(f"{counted(len(found), 'file')}, {counted(errors, 'error')}, {counted(warnings, 'warning')}")
