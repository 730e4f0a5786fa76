"""One peer of the control socket: its frames in, its answers out, and the limits it may not pass."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from tidemill.control.answers import FAILED, REFUSED, USAGE, code_of
from tidemill.control.peers import may_command, peer_uid
from tidemill.control.protocol import PROTOCOL, Frames, Message, pack
from tidemill.control.requests import Handler, Request
from tidemill.domain.errors import ProtocolError, TidemillError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manners:
    """What one peer may ask of the daemon's patience. Times are seconds."""

    frame_deadline: float = 5.0
    """For a begun message to be whole, for the first to arrive, and for a blocked peer to read on."""
    idle_deadline: float = 60.0
    """For the next request on a connection that has none."""
    most_connections: int = 64
    most_waiting: int = 32
    """Requests of one connection that wait for their turn; more are not read from the socket."""


class Connection(asyncio.Protocol):
    """Answers one peer's requests, one after the other, until it goes away or misbehaves."""

    _transport: asyncio.Transport

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        allow_uids: Iterable[int],
        version: str,
        manners: Manners,
        siblings: set["Connection"],
    ) -> None:
        self._handlers = handlers
        self._allow_uids = allow_uids
        self._version = version
        self._manners = manners
        self._siblings = siblings
        self._frames = Frames()
        self._waiting: deque[Message] = deque()
        self._uid = -1
        self._greeted = False
        self._is_told = False
        """The request in hand has told progress: only waiting is left of it."""
        self._is_gone = False
        self._is_closing = False
        self._answering: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._alarm: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer in, or say why not."""
        self._transport = cast("asyncio.Transport", transport)
        self._uid = peer_uid(transport.get_extra_info("socket"))
        if not may_command(self._uid, self._allow_uids):
            log.warning("refused a control connection of uid %d", self._uid)
            self._refuse(REFUSED, f"uid {self._uid} may not command this daemon")
        elif len(self._siblings) >= self._manners.most_connections:
            self._refuse(REFUSED, f"the daemon has {len(self._siblings)} control connections already; try again")
        else:
            self._siblings.add(self)
            self._set_alarm(self._manners.frame_deadline)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; answer what is whole."""
        if self._is_closing:
            return
        was_partial = self._frames.is_partial
        try:
            messages = self._frames.feed(data)
            if messages and not self._greeted:
                self._greet(messages.pop(0))
        except ProtocolError as error:
            self._refuse(USAGE, str(error))
            return
        if self._is_closing:
            return
        self._waiting.extend(messages)
        if len(self._waiting) > self._manners.most_waiting:
            self._transport.pause_reading()
        if self._waiting and self._answering is None:
            self._answering = asyncio.get_running_loop().create_task(self._answer_all())
        if self._greeted and (messages or not was_partial):
            # Else the same message is still on its way, and every further byte would win it more time.
            self._rest()

    def eof_received(self) -> bool:
        """Answer what was asked before the end; what only waits is given up."""
        self._is_gone = True
        if self._answering is not None and self._is_told:
            self._answering.cancel()
        return self._answering is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer. A request that was begun is not undone: its effect may be half done."""
        self._is_gone = True
        self._waiting.clear()
        self._writable.set()
        self._set_alarm(None)
        self._siblings.discard(self)
        if self._answering is not None and self._is_told:
            self._answering.cancel()

    def pause_writing(self) -> None:
        """Stop telling a peer that does not listen, and give it until the deadline."""
        self._writable.clear()
        self._set_alarm(self._manners.frame_deadline)

    def resume_writing(self) -> None:
        """Tell on."""
        self._writable.set()
        self._rest()

    # What the server calls.

    async def finish(self) -> None:
        """Let the request in hand be answered, unless it only waits, and hang up."""
        self._waiting.clear()
        answering = self._answering
        if answering is not None and asyncio.current_task() is not answering:
            if self._is_told:
                answering.cancel()
            await asyncio.wait([answering], timeout=self._manners.frame_deadline)
            if answering.cancel():
                await asyncio.wait([answering], timeout=self._manners.frame_deadline)
        self._hang_up()

    # Ours.

    def _greet(self, message: Message) -> None:
        """Exchange versions; a peer of another protocol is told what to do."""
        if message.get("protocol") != PROTOCOL:
            raise ProtocolError(
                f"the daemon speaks version {PROTOCOL} of the control protocol and the command"
                f" {message.get('protocol')!r}; restart the daemon with: tidemill restart"
            )
        self._greeted = True
        self._send({"protocol": PROTOCOL, "version": self._version})

    async def _answer_all(self) -> None:
        """Answer the waiting requests in their order."""
        try:
            while self._waiting and not self._is_closing:
                message = self._waiting.popleft()
                self._transport.resume_reading()
                self._is_told = False
                answer = await self._answer(message)
                await self._writable.wait()
                self._send(answer)
        finally:
            self._answering = None
            self._is_told = False
            if self._is_gone:
                self._hang_up()
            else:
                self._rest()

    async def _answer(self, message: Message) -> Message:
        """Return the answer to one request, whatever happens in its handler."""
        verb, args = message.get("verb"), message.get("args", {})
        handler = self._handlers.get(verb) if isinstance(verb, str) else None
        if handler is None or not isinstance(verb, str):
            known = ", ".join(sorted(self._handlers))
            return _error(USAGE, f"the daemon knows no verb {str(verb)[:40]!r}; it knows {known}")
        if not isinstance(args, dict):
            return _error(USAGE, f"the arguments of {verb} must be an object")
        try:
            return {"ok": await handler(Request(verb, args, self._uid, self._tell))}
        except TidemillError as error:
            return _error(code_of(error), str(error))
        except OSError as error:
            log.error("the control request %s failed: %s", verb, error)
            return _error(FAILED, f"the daemon could not do {verb}: {error}")
        except Exception:
            log.exception("the control request %s failed", verb)
            return _error(FAILED, f"the daemon could not do {verb}; its log tells why")

    async def _tell(self, message: Message) -> None:
        """Send *message* as progress, at the peer's pace."""
        self._is_told = True
        if self._is_gone:
            raise asyncio.CancelledError
        await self._writable.wait()
        self._send({"progress": message})

    def _send(self, message: Message) -> None:
        """Write *message*, or in its place the reason why it cannot be written."""
        if self._transport.is_closing():
            return
        try:
            frame = pack(message)
        except (ProtocolError, TypeError, ValueError) as error:
            frame = pack(_error(FAILED, f"the daemon's answer cannot be sent: {error}"))
        self._transport.write(frame)

    def _refuse(self, code: int, message: str) -> None:
        """Say why, and hang up."""
        self._send(_error(code, message))
        self._hang_up()

    def _hang_up(self) -> None:
        self._is_closing = True
        self._set_alarm(None)
        self._transport.close()

    def _rest(self) -> None:
        """Set the deadline that fits: none while a request is in hand, else for a frame or for the next request."""
        if self._is_closing or not self._writable.is_set():
            return
        if self._frames.is_partial:
            self._set_alarm(self._manners.frame_deadline)
        elif self._answering is not None:
            self._set_alarm(None)
        else:
            self._set_alarm(self._manners.idle_deadline)

    def _set_alarm(self, seconds: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = None if seconds is None else loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        """Drop a peer that took too long; abort, for it may not read either."""
        self._is_closing = True
        self._transport.abort()


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
