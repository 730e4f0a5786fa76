"""The messages between a client and the fork server: one JSON document a datagram.

A SEQPACKET socket keeps the borders of messages but carries no more than 212 kB in one; a larger
request travels as a memory file, announced by ``Enclosed``.
"""

import os
import socket
from array import array
from typing import Final

import msgspec

from tidemill.domain.errors import ProtocolError, TidemillError
from tidemill.domain.runs import InspectionOrder, RunOrder

VERSION: Final = 1
MESSAGE_LIMIT: Final = 200_000
ENCLOSED_LIMIT: Final = 64 << 20
_FDS_AT_ONCE: Final = 4


class ForkserverError(TidemillError):
    """Raised when the fork server cannot be started, does not answer or refuses."""


class Hello(msgspec.Struct, tag=True, frozen=True):
    """Ask who serves, and to be told of every exit from now on."""


class Start(msgspec.Struct, tag=True, frozen=True):
    """Make a run process."""

    order: RunOrder


class Inspect(msgspec.Struct, tag=True, frozen=True):
    """Load a file in a child, which writes its manifest into the memory file that comes along."""

    order: InspectionOrder


class Retire(msgspec.Struct, tag=True, frozen=True):
    """Take no more orders, and leave when the last child has."""


class Floor(msgspec.Struct, tag=True, frozen=True):
    """Fork *count* children that do nothing: what benchmarks measure everything else against."""

    count: int


class Enclosed(msgspec.Struct, tag=True, frozen=True):
    """The request itself is in the memory file that comes along."""


class LiveRun(msgspec.Struct, frozen=True):
    """A run process that the server has made and that has not ended."""

    run: str
    pid: int
    start_time: int


class Welcome(msgspec.Struct, tag=True, frozen=True):
    """The answer to Hello; the hint eventfd comes along."""

    fingerprint: str
    """What code, interpreter, preloads and environment this server was started with."""
    pid: int
    live: tuple[LiveRun, ...] = ()
    retiring: bool = False
    problems: tuple[str, ...] = ()
    """Preloads that failed or that would make forking unsafe: sentences for the operator."""


class Started(msgspec.Struct, tag=True, frozen=True):
    """The run process exists."""

    run: str
    pid: int
    start_time: int


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The run cannot be: *error* is a sentence. Its exit follows if its process had been made already."""

    run: str
    error: str
    taken: bool = False
    """Another process is, or was, the run: it holds the journal. This one did nothing."""
    retiring: bool = False
    """This server takes no more orders; another one does."""


class Exited(msgspec.Struct, tag=True, frozen=True):
    """The run process ended and is recorded in the exits journal."""

    run: str
    pid: int
    start_time: int
    status: int
    """The exit code; the number of the signal that killed it, negative."""
    at: int


class Inspected(msgspec.Struct, tag=True, frozen=True):
    """The inspecting child ended."""

    status: int
    timed_out: bool = False


class Floors(msgspec.Struct, tag=True, frozen=True):
    """Seconds that each fork, exit and wait took."""

    seconds: list[float]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The request was not understood or cannot be served."""

    error: str


Request = Hello | Start | Inspect | Retire | Floor | Enclosed
Reply = Welcome | Started | Failed | Exited | Inspected | Floors | Refused

_encode = msgspec.json.Encoder().encode
_requests: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_replies: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """Write a message as one document."""
    try:
        return _encode(message)
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"{type(message).__name__} holds what JSON cannot: {error}") from error


def decode_request(data: bytes) -> Request:
    """Read what a client sent."""
    try:
        return _requests.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a request to the fork server: {error}") from error


def decode_reply(data: bytes) -> Reply:
    """Read what the server sent."""
    try:
        return _replies.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not an answer of the fork server: {error}") from error


def send(connection: socket.socket, data: bytes, fd: int | None = None) -> None:
    """Send one message, with a file descriptor if there is one."""
    passed = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
    connection.sendmsg([data], passed, socket.MSG_NOSIGNAL)


def receive(connection: socket.socket) -> tuple[bytes, list[int]] | None:
    """Receive one message and what came along; None at the end. The caller closes the descriptors."""
    data, ancillary, flags, _ = connection.recvmsg(
        MESSAGE_LIMIT + 1, socket.CMSG_SPACE(4 * _FDS_AT_ONCE), socket.MSG_CMSG_CLOEXEC
    )
    fds = array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) // fds.itemsize * fds.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(fds)
        raise ProtocolError(f"a message longer than {MESSAGE_LIMIT} bytes, or with too many descriptors")
    if not data:
        close_all(fds)
        return None
    return data, list(fds)


def close_all(fds: "array[int] | list[int]") -> None:
    """Close every descriptor of *fds*."""
    for fd in fds:
        os.close(fd)


def enclose(data: bytes) -> int:
    """Put *data* into a memory file and return its descriptor."""
    fd = os.memfd_create("tidemill-order", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def open_enclosed(fd: int) -> bytes:
    """Return the content of a memory file."""
    size = os.fstat(fd).st_size
    if size > ENCLOSED_LIMIT:
        raise ProtocolError(f"{size} bytes are enclosed; {ENCLOSED_LIMIT} is the most")
    return os.pread(fd, size, 0)
