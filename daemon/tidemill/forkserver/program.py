"""What the fork server does from its arguments to its end.

Everything that runs will need is imported here, once, and frozen; then the children are cheap.
"""

import ctypes
import gc
import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from tidemill.forkserver import kinship
from tidemill.forkserver.forking import FD_LIMIT
from tidemill.forkserver.places import take_place
from tidemill.forkserver.server import Forkserver
from tidemill.forkserver.spares import SPARES
from tidemill.forkserver.warming import learn

RUN_ENTRY: Final = "tidemill.engine.process:main"
REHEARSAL: Final = "tidemill.engine.rehearsal:rehearse"
INSPECTION_ENTRY: Final = "tidemill.engine.files.inspection:inspect"
_NOT_FOR_RUNS: Final = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
)
"""What systemd tells the daemon about itself; a run that had it could speak in the daemon's name. Where the service's
credentials are stays: flows read their secrets there."""


def main(arguments: Sequence[str]) -> None:
    """Prepare and serve."""
    options, preloads = _read(arguments)
    os.closerange(3, FD_LIMIT)  # whatever the one who started this forgot to close
    source_root = options.get("source-root")
    _clean_environment(source_root)
    problems = [problem for name in preloads if (problem := _preload(name))]
    run_entry = _load(options.get("run-entry", RUN_ENTRY))
    inspection_entry = _load(options.get("inspection-entry", INSPECTION_ENTRY))
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a count, nothing more
        problems.append("a preloaded module started a thread: forking is not safe; take it out of preload")
    kinship.become_subreaper()
    os.chdir("/")
    spares = int(options.get("spares", SPARES))
    place, fingerprint = Path(options["socket"]), options.get("fingerprint", "")
    try:
        listener = take_place(place, fingerprint)
    except OSError as error:
        raise SystemExit(f"forkserver: the socket {options['socket']} cannot be made: {error.strerror}") from None
    if listener is None:
        return
    server = Forkserver(
        place,
        listener,
        Path(options["exits"]),
        run_entry,
        inspection_entry,
        fingerprint=fingerprint,
        problems=tuple(problems),
        idle=float(options.get("idle", "60")),
        spares=spares,
    )
    gc.collect()
    gc.disable()
    gc.freeze()
    _return_memory()
    if spares and (rehearsal := options.get("rehearsal", REHEARSAL if "run-entry" not in options else "")):
        server.know_hot_memory(learn(partial(_rehearse, rehearsal)))
    server.serve()


def _rehearse(entry: str) -> None:
    """Rehearse in a child: what is imported for it stays there."""
    _load(entry)()


def _return_memory() -> None:
    """Give what imports have freed back to the kernel: every page less is a page less to copy at each fork."""
    with suppress(AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)


def _read(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Read ``--name value`` pairs; argparse would stay in the memory of every run."""
    options: dict[str, str] = {}
    preloads: list[str] = []
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        if name == "--preload":
            preloads.append(value)
        else:
            options[name.removeprefix("--")] = value
    return options, preloads


def _clean_environment(source_root: str | None) -> None:
    """Take out what is not meant for runs."""
    for name in _NOT_FOR_RUNS:
        os.environ.pop(name, None)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if source_root is not None and paths[0] == source_root:
        if paths[1:]:
            os.environ["PYTHONPATH"] = os.pathsep.join(paths[1:])
        else:
            del os.environ["PYTHONPATH"]


def _preload(name: str) -> str | None:
    """Import a module of the operator's choice; a broken one must not stop every run."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return f"preload of {name} failed: {type(error).__name__}: {error}"
    return None


def _load(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
