"""What can go wrong, told by who can act on it. Every error writes its own sentence from facts."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


class TidemillError(Exception):
    """The root of all errors of tidemill; its text is one sentence a person can act on."""


class DefinitionError(TidemillError):
    """Raised when a flow, a task or a schedule is declared in a way that cannot work.

    *line* is the line of the flow file the author should look at, where it is known.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class ScheduleError(DefinitionError):
    """Raised when a schedule's expression, time zone or interval means nothing."""


class ParameterError(DefinitionError):
    """Raised when a run is asked for with parameters its flow does not take."""


class FlowFileError(TidemillError):
    """Raised when a flow file cannot be loaded."""

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {reason}")
        self.path = Path(path)
        self.line = line
        self.reason = reason


class ConfigurationError(TidemillError):
    """Raised when the settings cannot be used; the operator has to change them."""


class StateDirectoryError(ConfigurationError):
    """Raised when the state directory cannot be made, read or written."""


class AlreadyRunning(TidemillError):
    """Raised when another daemon holds the state directory."""

    def __init__(self, state_dir: Path | str, pid: int | None) -> None:
        who = f"the daemon with pid {pid}" if pid else "another process"
        super().__init__(f"{who} already serves {state_dir}; stop it first with: tidemill stop")
        self.pid = pid


class DaemonNotRunning(TidemillError):
    """Raised when a command needs the daemon and none answers."""


class NotFound(TidemillError):
    """Raised when no flow or run bears the name that was given."""


class Refused(TidemillError):
    """Raised when a request is understood and may not be done now."""


class HistoryError(TidemillError):
    """Raised when the history cannot be opened, read or written."""


class UnusableHistory(HistoryError, ConfigurationError):
    """Raised when the history is another program's or a later version's: trying again does not help."""


class ProtocolError(TidemillError):
    """Raised when a message on a socket is not what the protocol allows."""


class Retry(TidemillError):
    """Raise it in a task, or in a flow's body, to ask for another attempt, *delay* seconds from now.

    *delay* may also be a timedelta, or what an HTTP server says in ``Retry-After``: seconds as text, or a date.
    None leaves the wait to the retry policy. Raises ValueError for anything else.
    """

    delay: float | None = None

    def __init__(
        self,
        message: str = "the task asked to be tried again",
        *,
        delay: "float | timedelta | str | None" = None,
    ) -> None:
        super().__init__(message)
        if delay is not None:
            # Errors are imported by every command; what only a failing task needs is not.
            from tidemill.domain.delays import seconds_asked

            self.delay = seconds_asked(delay)


class GiveUp(TidemillError):
    """Raise it in a task, or in a flow's body, to fail at once, whatever retries are left; say why."""

    def __init__(self, reason: str = "the task gave up") -> None:
        super().__init__(reason)


class Skip(TidemillError):
    """Raise it in a task to end it as skipped, for the reason given; tasks that ask for its success are skipped too."""

    def __init__(self, reason: str = "the task skipped itself") -> None:
        super().__init__(reason)


class ProcessDied(TidemillError):
    """Raised for a task whose process died under it."""
