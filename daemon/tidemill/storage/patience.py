"""How often a handler tries again what may pass by waiting, with the value in memory meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from tidemill.domain.errors import DefinitionError

LONGEST_DELAY: Final = 30.0
"""Seconds; delays double up to it."""
_SLICE: Final = 0.1
"""Seconds after which a thread that waits runs Python code, so that it can be interrupted."""
_log: Final = logging.getLogger("tidemill.results")
T = TypeVar("T")


class Setback(Exception):
    """Raised inside a handler when its store failed: why, and whether it may be different in a moment."""

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing


class Patience(NamedTuple):
    """A handler's own retries."""

    retries: int = 3
    delay: float = 1.0
    """Seconds before the first; each later one is twice as long."""

    def attempt(self, work: Callable[[], T], doing: str, pause: Callable[[float], None] | None = None) -> T:
        """Return what *work* returns, trying again after setbacks that may pass. Raises the last Setback."""
        for number in range(self.retries):
            try:
                return work()
            except Setback as setback:
                if not setback.is_passing:
                    raise
                delay = min(self.delay * 2**number, LONGEST_DELAY)
                _log.warning("%s: %s; trying again in %g s", doing, setback.reason, delay)
                (pause or wait)(delay)
        return work()


def parse_patience(retries: Any, delay: Any, owner: str) -> Patience:
    """Return the retries of a handler, or refuse what is not one. Raises DefinitionError."""
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise DefinitionError(f"retries of {owner} must be a whole number, 0 or more; it is {retries!r}")
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= 86_400:
        raise DefinitionError(f"retry_delay of {owner} must be seconds, 0 or more; it is {delay!r}")
    return Patience(retries, float(delay))


def wait(seconds: float) -> None:
    """Sleep in slices: an interrupt reaches a thread only between them."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))


def beside(work: Callable[[], T]) -> T:
    """Return what *work* returns, done in a thread of its own: no interrupt reaches code that waits for a socket."""
    values: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def perform() -> None:
        try:
            values.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=perform, name="tidemill-result", daemon=True).start()
    while not done.wait(_SLICE):
        pass
    if errors:
        raise errors[0]
    return values[0]
