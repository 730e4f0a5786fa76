"""Turns an exception into data: its type, its message, and a traceback of the user's code alone."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidemill.domain.addresses import redacted
from tidemill.domain.results import ErrorInfo
from tidemill.domain.secrecy import hide
from tidemill.domain.texts import shorten

if TYPE_CHECKING:
    from traceback import TracebackException

_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"
_LOOPS: Final = re.compile(r"/(asyncio|concurrent/futures)/\w+\.py$")
_MESSAGE_LIMIT: Final = 10_000
_TRACEBACK_LIMIT: Final = 100_000


def describe(error: BaseException) -> ErrorInfo:
    """Return *error* as data, whatever its own methods do."""
    return ErrorInfo(type_name(error), message_of(error), traceback_of(error))


def type_name(error: BaseException) -> str:
    """Return the type's name, with its module unless that is obvious."""
    kind = type(error)
    own = kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith(("tidemill", "tidemill_flow_"))
    return kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return the error's text, shortened when it is huge."""
    try:
        text = str(error)
    except BaseException as failure:
        text = f"(its text cannot be read: {type(failure).__name__})"
    if isinstance(error, SystemExit):
        text = f"the code called sys.exit({text})"
    if isinstance(error, MemoryError | OSError | RuntimeError):
        text = _with_limit(text, error)
    return shorten(redacted(hide(text)), _MESSAGE_LIMIT)


def _with_limit(text: str, error: BaseException) -> str:
    """Name the limit that the run met, if it has any and met one."""
    restraining = sys.modules.get("tidemill.engine.restraining")
    reason = None if restraining is None else restraining.explain(error)
    return text if reason is None else f"{text} ({reason})" if text else str(reason)


def traceback_of(error: BaseException) -> str | None:
    """Return the formatted traceback without the engine's own frames."""
    # traceback costs milliseconds and is needed only when something failed.
    import traceback

    try:
        report = traceback.TracebackException.from_exception(error, limit=-200)
        _leave_out_engine(report)
        text = "".join(report.format())
    except BaseException:
        return None
    # It quotes lines of the flow file, which may hold the URL of a database.
    return shorten(redacted(hide(text)), _TRACEBACK_LIMIT)


def _leave_out_engine(report: "TracebackException", depth: int = 0) -> None:
    frames = [frame for frame in report.stack if not frame.filename.startswith(_PACKAGE)]
    # What the engine runs coroutines with stands before the first line of the user's own.
    first = next((n for n, frame in enumerate(frames) if not _LOOPS.search(frame.filename)), 0)
    report.stack[:] = frames[first:]
    for other in (report.__cause__, report.__context__):
        if other is not None and depth < 20:
            _leave_out_engine(other, depth + 1)


def line_in(error: BaseException, path: str) -> int | None:
    """Return the innermost line of the file *path* on the error's way."""
    line: int | None = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            line = step.tb_lineno
        step = step.tb_next
    return line
