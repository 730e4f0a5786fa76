"""Frames of the control socket: taken apart in this process, answered by the real server, answered by a real daemon."""

import asyncio
import json
import logging
import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from chaos.fuzzing.nonsense import a_text, a_value, as_json, deep, spoiled
from chaos.fuzzing.watch import open_descriptors, watching
from tidemill.control.protocol import LARGEST, Frames, pack
from tidemill.control.server import ControlServer
from tidemill.domain.errors import ProtocolError

VERBS = ("adopt", "cancel", "pause", "ping", "prune", "reload", "resume", "retry", "run", "status", "wait")
"""All but ``stop``, which is to end the daemon."""
ARGUMENTS = ("run", "flow", "parameters", "wait", "force", "plan", "from", "keep", "size", "older_than", "failed", "")
HELLO = pack({"protocol": 1})
MOST = 24
"""Frames of one connection: fewer than the server lets wait, so that each is taken."""


def a_body(random: Random) -> bytes:
    """Return what stands in a frame: mostly nonsense that is nearly a request."""
    kind = random.randrange(20)
    if kind < 9:
        return as_json(a_request(random))
    if kind < 12:
        return spoiled(random, as_json({"verb": random.choice(VERBS), "args": {"run": a_text(random)}}))
    if kind < 15:
        return as_json({a_text(random): a_value(random)})
    if kind < 17:
        return as_json(a_value(random))
    return deep(random) if kind == 17 and random.random() < 0.1 else random.randbytes(random.randrange(60))


def a_request(random: Random) -> dict[str, Any]:
    """Return a message that is nearly a request."""
    args = {random.choice(ARGUMENTS): a_value(random) for _ in range(random.randrange(4))}
    verb = random.choice(VERBS) if random.random() < 0.8 else a_text(random)
    request = {"verb": verb, "args": args if random.random() < 0.9 else a_value(random)}
    return request if random.random() < 0.9 else {a_text(random): a_value(random)}


def a_frame(random: Random) -> bytes:
    """Return a frame whose length is that of its body, or not."""
    body = a_body(random)
    kind = random.randrange(60)
    size = len(body)
    if kind == 0:
        size = random.choice((0, size - 1, size + 1, LARGEST, LARGEST + 1, 2**31, 2**32 - 1))
    return max(size, 0).to_bytes(4, "big") + body


def _whole(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def take_apart(random: Random, count: int) -> dict[str, Any]:
    """Feed frames in pieces of any length to what takes them apart; only messages and refusals may come of it."""
    met: Counter[str] = Counter()
    frames = Frames()
    with watching() as watch:
        for _ in range(count):
            data = a_frame(random)
            try:
                while data:
                    cut = random.randrange(1, len(data) + 1) if random.random() < 0.5 else len(data)
                    for message in frames.feed(data[:cut]):
                        met["messages" if isinstance(message, dict) else "crashes"] += 1
                    data = data[cut:]
            except ProtocolError:
                met["refused"] += 1
                frames = Frames()
            except Exception as error:
                met[f"crashes: {type(error).__name__}: {error}"] += 1
                frames = Frames()
            if frames.is_partial and random.random() < 0.5:
                frames = Frames()  # that peer went away
    return {"inputs": count, **met, "imports": dict(watch.imports), "files": dict(watch.touched)}


class Ear(logging.Handler):
    """The real server in a thread of its own, with a handler that looks at every argument in every way."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.ERROR)
        self.path = path
        self.crashes: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.crashes.append(str(context)))
        self.server = ControlServer(path, dict.fromkeys(VERBS, self._answer))
        self.thread = threading.Thread(target=self.loop.run_forever)
        logging.getLogger("tidemill.control").addHandler(self)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(120)

    def emit(self, record: logging.LogRecord) -> None:
        """A handler failed in a way that nobody foresaw."""
        self.crashes.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")

    @staticmethod
    async def _answer(request: Any) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for get in (request.text, request.optional_text, request.flag, request.number, request.mapping):
            for name in request.args:
                with suppress(ProtocolError):
                    told[name] = get(name)
        return told

    def close(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self.server.close(), self.loop).result(120)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        logging.getLogger("tidemill.control").removeHandler(self)


def say(path: Path, data: bytes) -> bytes:
    """Say it all, hang up, and return what was answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 16):
                answer += part
        return answer


def speak(random: Random, path: Path, count: int) -> Counter[str]:
    """Send so many frames, some to a connection, and count the answers; every one is a message."""
    met: Counter[str] = Counter()
    while met["frames"] < count:
        hello = b"" if random.random() < 0.02 else HELLO
        if random.random() < 0.2:
            frames = [a_frame(random)]
        else:
            frames = [_whole(json.dumps(a_request(random)).encode()) for _ in range(random.randrange(1, MOST))]
        answer = say(path, hello + b"".join(frames))
        met["frames"] += len(frames) if hello else 1
        met["connections"] += 1
        for message in Frames().feed(answer):
            error = message.get("error")
            told = "answered" if error is None else f"refused with {error['code']}"
            met[told] += 1
            if error is not None and error["code"] == 1:
                met[f"crashes: {json.dumps(message)[:200]}"] += 1
    return met


def serve(random: Random, count: int, folder: Path) -> dict[str, Any]:
    """Have the real server, in this process, answer so many frames."""
    ear = Ear(folder / "control.sock")
    try:
        speak(random, ear.path, 200)  # whatever is imported late is imported now
        before = open_descriptors()
        with watching() as watch:
            met = speak(random, ear.path, count)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), ear.loop).result(120)
        leaked = max(open_descriptors() - before, 0)
    finally:
        ear.close()
    crashes = {f"crashes: {told[:300]}": 1 for told in ear.crashes}
    return {"inputs": met.pop("frames"), **met, **crashes, "imports": dict(watch.imports), "leaked": leaked}
