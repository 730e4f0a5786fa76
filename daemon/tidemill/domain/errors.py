"""What can go wrong, told by who can act on it. Every error writes its own sentence from facts."""

from pathlib import Path


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


class ProtocolError(TidemillError):
    """Raised when a message on a socket is not what the protocol allows."""


class Retry(TidemillError):
    """Raise it in a task to ask for another attempt, *delay* seconds from now."""

    def __init__(self, message: str = "the task asked to be tried again", *, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class GiveUp(TidemillError):
    """Raise it in a task to fail at once, whatever retries are left."""
