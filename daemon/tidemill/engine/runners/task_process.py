"""The other side of a ProcessPoolTaskRunner: a process that executes one task after the other."""

import importlib
import os
import pickle
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.domain.errors import TidemillError
from tidemill.domain.secrecy import known, learn
from tidemill.engine.failures import traceback_of, type_name
from tidemill.engine.interrupts import Cancelled
from tidemill.engine.invoking import run_lazy
from tidemill.engine.runners.facts import RunFacts, TaskFacts
from tidemill.engine.runners.task_runners import TaskCode
from tidemill.engine.spawned import is_child_of_a_run
from tidemill.limits.here import HELD
from tidemill.limits.leases import Grip

LOG_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of output of one process that go into the run's log."""


class Answer(NamedTuple):
    """What came of a task's code."""

    value: Any = None
    error: BaseException | None = None


class RemoteTraceback(Exception):
    """Shows where, in the other process, an error was raised."""


def pack(code: TaskCode) -> bytes:
    """Return *code* as bytes, its function by name where the other side can find it, or refuse it."""
    named: Any = _name_of(code.fn)
    try:
        return _dumps(code if named is None else code._replace(fn=named))
    except Exception as error:
        raise TidemillError(
            f"task {code.name} cannot be sent to another process: {type(error).__name__}: {error}"
        ) from error


def unpack(data: bytes) -> Answer:
    """Return the answer of the other side, its error with the traceback it had there."""
    value, error, traceback, secrets = pickle.loads(data)
    for secret in secrets:
        learn(secret)
    if error is not None and traceback:
        error.__cause__ = RemoteTraceback(f"\n{traceback}")
    return Answer(value, error)


def serve(connection: Connection) -> None:
    """Execute what comes until nobody is at the other side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _on_terminate)
    _write_to_the_run_s_log()
    connection.send_bytes(b"")
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(_perform(message))


def _perform(message: bytes) -> bytes:
    try:
        code: TaskCode = pickle.loads(message)
        CURRENT_RUN.set(RunFacts(code.context))
        CURRENT_TASK.set(TaskFacts(code.name, code.index, code.attempt))
        HELD.set(tuple(Grip(name, count, os.getpid(), None, None) for name, count in code.held))
        value = run_lazy(code.fn(*code.args, **code.kwargs), code.fn)
        sys.stdout.flush()
    except BaseException as error:
        return _failure(error)
    try:
        return _dumps((value, None, None, known()))
    except Exception as error:
        text = f"what task {code.name} returned cannot be sent back: {type(error).__name__}: {error}"
        return _dumps((None, TidemillError(text), None, known()))


def _failure(error: BaseException) -> bytes:
    traceback = traceback_of(error)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        error = RuntimeError(f"the code raised {type_name(error)}: {error}")
    try:
        data = _dumps((None, error, traceback, known()))
        pickle.loads(data)
    except Exception:
        data = _dumps((None, RuntimeError(f"{type_name(error)}: {error}"), traceback, known()))
    return data


class _Named(NamedTuple):
    """A function that the other side finds by its name."""

    module: str
    path: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        fn = _find(self.module, self.path)
        return run_lazy(fn(*args, **kwargs), fn)


def _name_of(fn: Callable[..., Any]) -> _Named | None:
    module, path = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
    if module is None or "<" in path or getattr(fn, "__self__", None) is not None:
        return None
    named = _Named(module, path)
    try:
        return named if _find(*named) is fn else None
    except (AttributeError, ImportError):
        return None


def _find(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    # A decorated function is found as its task.
    return getattr(found, "fn", found)


def _dumps(value: Any) -> bytes:
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        # Lambdas, local classes: the standard pickle knows them by name only.
        import cloudpickle

        data: bytes = cloudpickle.dumps(value)
        return data


def _on_terminate(*_: Any) -> None:
    raise Cancelled


def _write_to_the_run_s_log() -> None:
    """Give what the code prints and logs the task's name, where the output is a run's log."""
    if is_child_of_a_run():
        from tidemill.engine.capture import Capture
        from tidemill.engine.run_log import RunLog

        Capture(RunLog(os.dup(1), LOG_LIMIT)).install()
