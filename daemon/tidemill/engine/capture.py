"""Everything the run prints or logs, on its way to the run's log, and to a terminal where there is one."""

import io
import logging
import sys
import threading
from contextlib import suppress
from typing import Any, Final, TextIO

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK, logged_as
from tidemill.domain.secrecy import hide, when_needed
from tidemill.engine.run_log import RunLog

_PARTIAL_LIMIT: Final = 64 * 1024
_LEVELS: Final = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))


class CapturedStream(io.TextIOBase):
    """Stands in for stdout or stderr: whole lines go to the log, and to a terminal if there is one."""

    def __init__(self, log: RunLog, level: str, fd: int, echo: TextIO | None = None) -> None:
        self._log = log
        self._level = level
        self._fd = fd
        self._echo = echo
        self._partial: dict[tuple[str, int], str] = {}
        """The unfinished line of each task and thread."""
        self._shown: dict[tuple[str, int], int] = {}
        """How much of it the terminal has already."""
        self.buffer = _CapturedBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the log is written in."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How what cannot be encoded is shown."""
        return "backslashreplace"

    def writable(self) -> bool:
        """Take output."""
        return True

    def isatty(self) -> bool:
        """Be a terminal where the output goes to one as well."""
        return self._echo is not None and self._echo.isatty()

    def fileno(self) -> int:
        """Return the descriptor that children of the run write to."""
        return self._fd

    def write(self, text: str) -> int:
        """Log the whole lines of *text*, and keep the rest until its line is complete."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        task = task_name()
        line = (task, threading.get_ident())
        whole, newline, rest = (self._partial.pop(line, "") + text).rpartition("\n")
        if newline:
            self._log.write(task, self._level, whole)
            if self._echo is not None:
                self._show(f"{whole}\n"[self._shown.pop(line, 0) :])
        if rest:
            if len(rest) > _PARTIAL_LIMIT:
                self._log.write(task, self._level, rest)
                if self._echo is not None:
                    self._show(rest[self._shown.pop(line, 0) :])
            else:
                self._partial[line] = rest
        return len(text)

    def flush(self) -> None:
        """Show the terminal what there is of this task's line; the log has every whole line already."""
        self._log.drain()
        if self._echo is not None:
            line = (task_name(), threading.get_ident())
            text = self._partial.get(line, "")
            if text:
                self._show(text[self._shown.get(line, 0) :])
                self._shown[line] = len(text)
            with suppress(OSError, ValueError):
                self._echo.flush()

    def finish(self) -> None:
        """Log the lines that were never ended."""
        for line in list(self._partial):
            text = self._partial.pop(line)
            self._log.write(line[0], self._level, text)
            if self._echo is not None:
                self._show(text[self._shown.pop(line, 0) :])
        self.flush()

    def _show(self, text: str) -> None:
        """Let the terminal see *text*, in one piece: other tasks write too."""
        if self._echo is not None and text:
            with suppress(OSError, ValueError):
                text = hide(text)
                try:
                    self._echo.write(text)
                except UnicodeEncodeError:
                    encoding = self._echo.encoding
                    self._echo.write(text.encode(encoding, "backslashreplace").decode(encoding))


class _CapturedBytes(io.RawIOBase):
    """``sys.stdout.buffer``: bytes of any kind become readable text."""

    def __init__(self, stream: CapturedStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)


class CapturedLogging(logging.Handler):
    """Takes what the run's code logs, whichever logger it uses."""

    def __init__(self) -> None:
        super().__init__()
        self._log: RunLog | None = None
        self._echo: TextIO | None = None

    def aim(self, log: RunLog, echo: TextIO | None) -> None:
        """Write to *log* from now on, and to a terminal if there is one."""
        self._log, self._echo = log, echo

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record with its traceback, if it has one."""
        try:
            text, level = self.format(record), _level(record.levelno)
            if self._log is not None:
                self._log.write(task_name(), level, text)
            if self._echo is not None:
                self._echo.write(f"{level} {hide(text)}\n")
        except Exception:
            self.handleError(record)


_LOGGING: Final = CapturedLogging()
"""Made before the fork, for a process has one log: to make a handler costs a run more than to use it."""


class Capture:
    """Standard output, standard error and logging of this process go to the run's log until the process ends."""

    def __init__(self, log: RunLog, *, terminal: bool = False) -> None:
        self._log = log
        self._terminal = sys.stderr if terminal else None
        self._out = CapturedStream(log, "OUT", 1, sys.stdout if terminal else None)
        self._err = CapturedStream(log, "ERR", 2, sys.stderr if terminal else None)
        _LOGGING.aim(log, sys.stderr if terminal else None)
        if not terminal:  # there a program has the terminal, which is who started the run
            when_needed(log.sift)

    def install(self) -> None:
        """Take over."""
        sys.stdout, sys.stderr = self._out, self._err
        root = logging.getLogger()
        root.handlers[:] = [_LOGGING]
        root.setLevel(logging.INFO)

    def tell(self, task: str, level: str, text: str) -> None:
        """Log a line of the engine's own, about *task*."""
        self._log.write(task, level, text)
        if self._terminal is not None:
            with suppress(OSError, ValueError):
                self._terminal.write(f"{task}: {hide(text)}\n")

    def finish(self) -> None:
        """Log what is left of unfinished lines."""
        self._out.finish()
        self._err.finish()
        self._log.finish()


def task_name() -> str:
    """Return the name of the task whose code runs here, ``-`` outside of tasks; in a child run with the run's id."""
    task, run = CURRENT_TASK.get(), CURRENT_RUN.get()
    name = "-" if task is None else task.name
    return name if run is None else logged_as(run.context, name)


def _level(number: int) -> str:
    return next((name for least, name in _LEVELS if number >= least), "DEBUG")
