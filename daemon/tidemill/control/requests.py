"""A request as a handler sees it: checked arguments, and a way to tell progress."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from tidemill.control.protocol import Message
from tidemill.domain.errors import ProtocolError

_MOST: Final = 2**62
"""More than any count, size or time in microseconds that can be meant."""


class Request:
    """One verb with its arguments, from one peer. Every getter refuses a value of the wrong type."""

    __slots__ = ("_tell", "args", "uid", "verb")

    def __init__(
        self, verb: str, args: Mapping[str, Any], uid: int, tell: Callable[[Message], Awaitable[None]]
    ) -> None:
        self.verb = verb
        self.args = args
        self.uid = uid
        self._tell = tell

    async def progress(self, message: Message) -> None:
        """Tell *message* before the answer.

        It also says that the effect is done and only waiting is left: from here on the handler is
        cancelled when the client goes away; before, it is never.
        """
        await self._tell(message)

    def text(self, name: str) -> str:
        """Return the text *name*, which has to be given."""
        value = self.optional_text(name)
        if not value:
            raise ProtocolError(f"{self.verb} needs {name}")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return the text *name*, or None where it is not given."""
        value = self.args.get(name)
        if value is not None and not isinstance(value, str):
            raise ProtocolError(f"{name} of {self.verb} must be text")
        if value is not None and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # half a character, which no database holds
                raise ProtocolError(f"{name} of {self.verb} must be text that UTF-8 can hold") from None
        return value

    def flag(self, name: str) -> bool:
        """Return the truth of *name*; not given is false."""
        value = self.args.get(name, False)
        if not isinstance(value, bool):
            raise ProtocolError(f"{name} of {self.verb} must be true or false")
        return value

    def number(self, name: str) -> float | None:
        """Return the number *name*, or None where it is not given."""
        value = self.args.get(name)
        if value is None:
            return None
        # What is no number at all, as JSON's readers take it, lies within no bounds.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST <= value <= _MOST:
            raise ProtocolError(f"{name} of {self.verb} must be a number")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Return the object *name*; not given is empty."""
        value = self.args.get(name)
        if value is not None and not isinstance(value, dict):
            raise ProtocolError(f"{name} of {self.verb} must be an object")
        return value or {}


Handler = Callable[[Request], Awaitable[Message]]
