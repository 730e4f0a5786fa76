"""Waiting in one thread for what another one answers."""

import threading
from typing import Any


class Awaited:
    """One answer: a value, or an error to be raised."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._answer: Any = None

    def done(self, answer: Any) -> None:
        """Take the answer."""
        self._answer = answer
        self._arrived.set()

    def wait(self) -> Any:
        """Wait for the answer, and return or raise it."""
        self._arrived.wait()
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer
