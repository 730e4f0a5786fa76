"""The numbers that errors bear on the wire and as exit codes: one list, read in both directions."""

from typing import Final

from tidemill.domain.errors import (
    AlreadyRunning,
    ConfigurationError,
    DaemonNotRunning,
    DefinitionError,
    NotFound,
    ProtocolError,
    Refused,
    TidemillError,
)

DONE: Final = 0
FAILED: Final = 1
"""The run failed, a check found errors, or something broke that has no number of its own."""
USAGE: Final = 2
NOT_RUNNING: Final = 3
NOT_FOUND: Final = 4
CONFIGURATION: Final = 5
REFUSED: Final = 6

_CODES: Final[tuple[tuple[type[TidemillError], int], ...]] = (
    (DaemonNotRunning, NOT_RUNNING),
    (NotFound, NOT_FOUND),
    (ConfigurationError, CONFIGURATION),
    (AlreadyRunning, REFUSED),
    (Refused, REFUSED),
    (DefinitionError, USAGE),
    (ProtocolError, USAGE),
)


class UsageError(TidemillError):
    """Raised when what was asked for cannot be meant: wrong parameters, an option that does not fit."""


_ERRORS: Final[dict[int, type[TidemillError]]] = {
    USAGE: UsageError,
    NOT_RUNNING: DaemonNotRunning,
    NOT_FOUND: NotFound,
    CONFIGURATION: ConfigurationError,
    REFUSED: Refused,
}


def code_of(error: BaseException) -> int:
    """Return the number *error* ends with."""
    if isinstance(error, UsageError):
        return USAGE
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def error_of(code: object, message: object) -> TidemillError:
    """Return the error that an answer with *code* stands for."""
    kind = _ERRORS.get(code, TidemillError) if isinstance(code, int) else TidemillError
    return kind(str(message))
