"""What is recorded of a value that a task or a flow returned, and of an error that it raised."""

from typing import Final, NamedTuple

ITEMS: Final = "items"
"""The handler that the result of a mapped task names: its items have results of their own, and *value* counts them."""


class ErrorInfo(NamedTuple):
    """An exception as data; no exception object ever crosses a process."""

    type: str
    message: str
    traceback: str | None = None

    @property
    def line(self) -> str:
        """The error in one line."""
        first = self.message.strip().split("\n", 1)[0]
        return f"{self.type}: {first}" if first else self.type


class ResultInfo(NamedTuple):
    """Where a returned value is kept, and what a person may see of it without unpickling anything."""

    handler: str
    """Which handler stored it: ``history``, ``file``, ``LocalResult`` and so on."""
    location: str | None
    """A path or URL; None when the value stands in the history itself."""
    size: int
    """Bytes of the stored form."""
    preview: str
    """Readable text, made when the value was written, at most 1,000 characters."""
    encoding: str = "json"
    """``json`` or ``cloudpickle`` (then *value* is base64), or what the handler's serializer is called."""
    value: str | None = None
    """The stored form itself when it is small enough for the history."""
    checksum: str | None = None
    """The SHA-256 of the stored form in hex, where that is kept outside of the history."""
