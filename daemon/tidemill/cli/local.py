"""A flow file run in this terminal, with or without a daemon, and recorded all the same."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tidemill.cli import exits
from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import is_running
from tidemill.cli.programs import program
from tidemill.cli.terminal import say
from tidemill.config.paths import SECRETS_VARIABLE
from tidemill.control.answers import UsageError
from tidemill.domain.errors import DaemonNotRunning, StateDirectoryError, TidemillError
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.runs import RunOrder

_NOTED: Final = '["run_noted",'
_FLOW: Final = "flow "


def names_file(target: str) -> bool:
    """Tell whether *target* is a FILE or FILE:FLOW, and not the name of a flow."""
    return target.endswith(".py") or ".py:" in target or os.sep in target


def run_file(invocation: Invocation, target: str, parameters: dict[str, Any]) -> int:
    """Run the file here, record the run, and return the exit code."""
    path, flow = _split(target)
    order = _order(invocation, path, flow, parameters)
    place = _write(invocation, order)
    _put_limits_into_force(invocation)
    os.environ[SECRETS_VARIABLE] = str(invocation.settings.places.secrets_dir)
    with _our_interrupts_ignored():
        code = subprocess.Popen(program("tidemill.engine", str(place))).wait()
        if not flow:
            _write(invocation, replace(order, flow=_name_told(Path(order.journal)) or path.stem))
        _record(invocation, order.run)
    ended = f" was ended by {signal.Signals(-code).name}" if code < 0 else ""
    say(f"run {order.run}{ended}", err=True)
    return exits.DONE if code == 0 else exits.FAILED


def _split(target: str) -> tuple[Path, str]:
    """Return the file and the flow in it, "" for its only one."""
    path, flow = Path(target), ""
    if not path.is_file() and ".py:" in target:
        file, _, flow = target.rpartition(":")
        path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return path.resolve(), flow


def _order(invocation: Invocation, path: Path, flow: str, parameters: dict[str, Any]) -> RunOrder:
    """Write down what the run process has to know; helper modules are found as the daemon finds them."""
    uid, paths, settings = new_run_id(), invocation.paths, invocation.settings
    root = Path(settings.places.flows_dir).resolve()
    return RunOrder(
        run=uid,
        flow=flow,
        path=str(path),
        sources={},
        root=str(root if path.is_relative_to(root) else path.parent),
        journal=str(paths.journal(uid)),
        log=str(paths.log(uid)),
        results_dir=str(paths.run_results(uid)),
        limits_dir=str(paths.limits),
        cache_dir=str(paths.cache),
        parameters=parameters,
        max_workers=settings.dispatch.max_workers,
        nice=0,
        log_limit=settings.history.log_limit,
    )


def _write(invocation: Invocation, order: RunOrder) -> Path:
    """Make the run's folders and put the order beside its journal, for the engine and for whoever records the run."""
    place = Path(order.journal).with_suffix(".order")
    folders = (*invocation.paths.folders, place.parent, Path(order.log).parent)
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.touch(mode=0o600)
        place.write_text(json.dumps(asdict(order)), encoding="utf-8")
    except OSError as error:
        raise StateDirectoryError(
            f"the state directory {invocation.paths.root} cannot be written ({error.strerror}); "
            "change its owner or permissions, or choose another with --state"
        ) from None
    return place


def _put_limits_into_force(invocation: Invocation) -> None:
    """Let the settings' limits count, unless a daemon has done that: then its own do."""
    paths, limits = invocation.paths, invocation.settings.limits
    if (limits or paths.limits.exists()) and not is_running(invocation):
        from tidemill.limits.table import write_table

        write_table(paths.limits, limits)


def _name_told(journal: Path) -> str:
    """Return the name of the file's only flow, which the run notes in its journal when it has found it."""
    try:
        text = journal.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        if line.startswith(_NOTED):
            with contextlib.suppress(ValueError):
                told = str(json.loads(line)[2])
                if told.startswith(_FLOW):
                    return told.removeprefix(_FLOW)
    return ""


def _record(invocation: Invocation, uid: str) -> None:
    """Bring the run into the history: by the daemon, or by a short-lived process of its kind where there is none."""
    try:
        invocation.client.request("adopt", run=uid)
        return
    except DaemonNotRunning:
        pass
    except TidemillError as error:
        say(f"the run {uid} is not in the history: {error}", err=True)
        return
    database = invocation.settings.places.database_url
    line = program("tidemill.service.record", str(invocation.paths.root), uid, *([database] if database else []))
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"its recording ended with {done.returncode}"]
        say(f"the run {uid} is not in the history: {told[-1]}", err=True)


@contextmanager
def _our_interrupts_ignored() -> Iterator[None]:
    """Leave Ctrl-C to the run, which the terminal sends it too: it ends, and is recorded as what it became."""
    # A handler and not SIG_IGN, which the child would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
