"""A wait that somebody may end: the seconds until it is worth asking again, unless one is called before."""

from collections.abc import Callable
from contextlib import suppress
from threading import Event


class Turn(float):
    """Seconds to wait for whoever cannot be called; who can be waits with *patience*."""

    __slots__ = ("_listen", "patience")
    _listen: Callable[[Callable[[], None]], None]
    patience: float

    def __new__(cls, seconds: float, patience: float, listen: Callable[[Callable[[], None]], None]) -> "Turn":
        """Make a wait of so many *seconds*; *listen* is given what to call when it may be over."""
        turn = super().__new__(cls, seconds)
        turn.patience, turn._listen = patience, listen
        return turn

    def listen(self, callback: Callable[[], None]) -> None:
        """Have *callback* called, from any thread, when it is worth asking again."""
        self._listen(callback)

    def at_most(self, seconds: float) -> "Turn":
        """Return a wait that is over in *seconds* at the latest."""
        return Turn(min(self, seconds), min(self.patience, seconds), self._listen)

    def wait(self) -> None:
        """Wait in this thread; in small pieces, so that an exception may be raised in it."""
        called = Event()
        self._listen(called.set)
        called.wait(self)

    async def passed(self) -> None:
        """Wait inside an event loop, which goes on meanwhile."""
        import asyncio

        loop, called = asyncio.get_running_loop(), asyncio.Event()

        def call() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(called.set)

        self._listen(call)
        with suppress(TimeoutError):
            await asyncio.wait_for(called.wait(), self.patience)
