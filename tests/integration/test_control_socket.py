"""The control socket over real Unix sockets: who may speak, in which form, and what happens to the rest."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from tidemill.control.client import ControlClient
from tidemill.control.connections import Manners
from tidemill.control.protocol import LARGEST, PROTOCOL, Frames, pack
from tidemill.control.server import ControlServer
from tidemill.domain.errors import DaemonNotRunning, NotFound, Refused, StateDirectoryError, TidemillError

HELLO = pack({"protocol": PROTOCOL})


class Listening:
    """A control server in a loop of its own thread."""

    def __init__(self, path, handlers, **options):
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.server = ControlServer(path, handlers, version="0.1.0", **options)
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.call(self.server.start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self):
        self.call(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def listen(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(handlers, path=None, **options):
            listening = Listening(path or tmp_path / "control.sock", handlers, **options)
            stack.callback(listening.close)
            return listening

        yield start


async def echo(request):
    return {"args": dict(request.args), "uid": request.uid}


def raw(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection


def read_all(connection):
    frames, messages = Frames(), []
    while data := connection.recv(65536):
        messages += frames.feed(data)
    return messages


def read(connection, count):
    frames, messages = Frames(), []
    while len(messages) < count and (data := connection.recv(65536)):
        messages += frames.feed(data)
    return messages


def drip(connection, frame):
    """Send one byte at a time, and look for the end of the connection in between."""
    connection.settimeout(0.02)
    for byte in frame:
        connection.sendall(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            if connection.recv(1) == b"":
                raise ConnectionResetError


def test_a_request_is_answered_with_the_peer_known(listen):
    listening = listen({"echo": echo})

    with ControlClient(listening.path) as client:
        assert client.request("echo", flow="etl", nothing=None) == {"args": {"flow": "etl"}, "uid": os.getuid()}
        assert client.version == "0.1.0"


def test_several_requests_on_one_connection_are_answered_in_order(listen):
    listening = listen({"echo": echo})
    connection = raw(listening.path)

    connection.sendall(HELLO + b"".join(pack({"verb": "echo", "args": {"n": n}}) for n in range(200)))

    answers = read(connection, 201)
    assert [answer["ok"]["args"]["n"] for answer in answers[1:]] == list(range(200))
    connection.close()


def test_progress_comes_before_the_answer(listen):
    async def run(request):
        await request.progress({"run": "k3f"})
        return {"run": "k3f", "state": "completed"}

    told = []
    with ControlClient(listen({"run": run}).path) as client:
        answer = client.request("run", on_progress=told.append)

    assert told == [{"run": "k3f"}]
    assert answer["state"] == "completed"


def test_an_error_arrives_as_the_error_it_is(listen):
    async def refuse(_request):
        raise NotFound("there is no flow etl")

    with ControlClient(listen({"run": refuse}).path) as client, pytest.raises(NotFound, match="no flow etl"):
        client.request("run")


def test_a_handler_that_breaks_gives_a_sentence_and_the_connection_goes_on(listen):
    async def broken(_request):
        raise ZeroDivisionError("secret detail")

    with ControlClient(listen({"broken": broken, "echo": echo}).path) as client:
        with pytest.raises(TidemillError, match="its log tells why") as caught:
            client.request("broken")
        assert "secret" not in str(caught.value)
        assert client.request("echo")["args"] == {}


@pytest.mark.parametrize("verb", ["__class__", "close", "", None, ["echo"], {"a": 1}, "x" * 10_000])
def test_only_the_verbs_that_were_handed_in_exist(listen, verb):
    connection = raw(listen({"echo": echo}).path)

    connection.sendall(HELLO + pack({"verb": verb}))

    assert "knows no verb" in read(connection, 2)[1]["error"]["message"]
    connection.close()


def test_the_socket_and_its_folder_belong_to_the_owner_alone(listen):
    listening = listen({})

    assert stat.S_IMODE(listening.path.stat().st_mode) == 0o600
    table = Path("/proc/net/unix").read_text()
    assert not [line for line in table.splitlines() if "@" in line and "tidemill" in line]


def test_named_uids_can_reach_the_socket_but_the_peer_decides(listen, monkeypatch):
    monkeypatch.setattr("tidemill.control.connections.peer_uid", lambda _connection: 4242)
    allowed = listen({"echo": echo}, allow_uids=(4242,))

    assert stat.S_IMODE(allowed.path.stat().st_mode) == 0o666
    with ControlClient(allowed.path) as client:
        assert client.request("echo")["uid"] == 4242


def test_another_uid_is_refused_by_name(listen, monkeypatch):
    monkeypatch.setattr("tidemill.control.connections.peer_uid", lambda _connection: 4242)
    asked = []

    async def run(request):
        asked.append(request)
        return {}

    with ControlClient(listen({"run": run}).path) as client, pytest.raises(Refused, match="uid 4242 may not command"):
        client.request("run")
    assert asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_real_process_of_another_uid_cannot_connect(listen):
    path = listen({"echo": echo}).path
    child = os.fork()
    if child == 0:
        status = 9
        with contextlib.suppress(BaseException):
            os.setuid(65534)
            try:
                socket.socket(socket.AF_UNIX).connect(str(path))
            except PermissionError:
                status = 0
        os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_another_protocol_version_is_told_what_to_do(listen):
    connection = raw(listen({"echo": echo}).path)

    connection.sendall(pack({"protocol": 99}) + pack({"verb": "echo"}))

    (answer,) = read_all(connection)
    assert "tidemill restart" in answer["error"]["message"]
    connection.close()


@pytest.mark.parametrize("noise", [b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", pack({})[:4] + b"xx"])
def test_noise_is_refused_and_others_are_served(listen, noise):
    listening = listen({"echo": echo})
    connection = raw(listening.path)

    connection.sendall(noise)

    (answer,) = read_all(connection)
    assert answer["error"]["code"] == 2
    connection.close()
    with ControlClient(listening.path) as client:
        assert client.request("echo")


def test_a_half_sent_message_is_given_up_even_when_it_drips(listen):
    listening = listen({"echo": echo}, manners=Manners(frame_deadline=0.1))
    connection = raw(listening.path)
    connection.sendall(HELLO)
    read(connection, 1)

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        drip(connection, pack({"verb": "echo", "args": {"pad": "x" * 10_000}}))
    connection.close()


def test_a_peer_that_says_nothing_is_given_up(listen):
    connection = raw(listen({}, manners=Manners(frame_deadline=0.05)).path)

    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    connection.close()


def test_more_peers_than_the_limit_are_told_so(listen):
    listening = listen({"echo": echo}, manners=Manners(most_connections=3))
    held = [raw(listening.path) for _ in range(3)]
    for connection in held:
        connection.sendall(HELLO)
        read(connection, 1)

    with ControlClient(listening.path) as client, pytest.raises(Refused, match="try again"):
        client.request("echo")

    for connection in held:
        connection.close()


def test_a_request_that_was_begun_is_done_though_its_client_died(listen):
    begun, may_go_on, done = threading.Event(), threading.Event(), threading.Event()

    async def run(_request):
        begun.set()
        while not may_go_on.is_set():
            await asyncio.sleep(0.001)
        done.set()
        return {}

    connection = raw(listen({"run": run}).path)
    connection.sendall(HELLO + pack({"verb": "run"}))
    assert begun.wait(10)
    connection.close()
    may_go_on.set()

    assert done.wait(10)


def test_a_handler_that_only_waits_is_cancelled_when_its_client_goes(listen):
    told, cancelled = threading.Event(), threading.Event()

    async def wait(request):
        await request.progress({"run": "k3f"})
        told.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return {}

    connection = raw(listen({"wait": wait}).path)
    connection.sendall(HELLO + pack({"verb": "wait"}))
    assert told.wait(10)
    connection.close()

    assert cancelled.wait(10)


def test_an_answer_too_large_becomes_a_sentence(listen):
    async def much(_request):
        return {"text": "x" * LARGEST}

    with ControlClient(listen({"much": much}).path) as client, pytest.raises(TidemillError, match="cannot be sent"):
        client.request("much")


def test_a_stale_socket_is_taken_over_and_removed_at_the_end(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    listening = Listening(path, {"echo": echo})
    with ControlClient(path) as client:
        assert client.request("echo")
    listening.close()

    assert not path.exists()


def test_a_socket_that_somebody_removed_is_made_again(listen):
    listening = listen({"echo": echo})
    listening.path.unlink()

    listening.call(listening.server.ensure_reachable())

    with ControlClient(listening.path) as client:
        assert client.request("echo")


def test_a_socket_that_cannot_be_made_again_yet_is_made_at_a_later_look(listen):
    listening = listen({"echo": echo})
    listening.path.unlink()
    listening.path.mkdir()  # which can neither be unlinked nor bound to

    listening.call(listening.server.ensure_reachable())
    listening.path.rmdir()
    listening.call(listening.server.ensure_reachable())

    with ControlClient(listening.path) as client:
        assert client.request("echo")


def test_a_socket_that_cannot_be_made_is_told_in_a_sentence(tmp_path):
    (tmp_path / "control.sock").mkdir()

    with pytest.raises(StateDirectoryError, match=r"control\.sock cannot be made \(Is a directory\)"):
        asyncio.run(ControlServer(tmp_path / "control.sock", {}).start())


def test_a_state_directory_with_a_long_path_works(listen, tmp_path):
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    path = folder / "control.sock"
    listen({"echo": echo}, path=path)

    with ControlClient(path) as client:
        assert client.request("echo")


def test_without_a_daemon_the_client_says_how_to_start_one(tmp_path):
    with ControlClient(tmp_path / "control.sock") as client, pytest.raises(DaemonNotRunning, match="tidemill start"):
        client.request("ping")


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(listen):
    async def never(_request):
        await asyncio.sleep(3600)

    listening = listen({"never": never}, manners=Manners(frame_deadline=0.05))
    client = ControlClient(listening.path, timeout=0.1)

    with client, pytest.raises(DaemonNotRunning, match="did not answer within"):
        client.request("never")


def test_closing_answers_the_request_in_hand_and_hangs_up(listen):
    begun, may_go_on = threading.Event(), threading.Event()

    async def stop(_request):
        begun.set()
        while not may_go_on.is_set():
            await asyncio.sleep(0.001)
        return {"stopping": True}

    listening = listen({"stop": stop})
    client = ControlClient(listening.path)
    client.send("stop")
    assert begun.wait(10)

    closing = asyncio.run_coroutine_threadsafe(listening.server.close(), listening.loop)
    may_go_on.set()

    assert next(iter(client.answers())) == ("ok", {"stopping": True})
    assert client.wait_for_end(10)
    closing.result(10)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_thousand_connections_leave_no_descriptor_behind(listen):
    listening = listen({"echo": echo}, manners=Manners(most_connections=2000))
    before = open_descriptors()

    for _ in range(1000):
        client = ControlClient(listening.path)
        client.send("echo")
        client.close()
    with ControlClient(listening.path) as client:
        client.request("echo")

    deadline = time.monotonic() + 10
    while open_descriptors() > before and time.monotonic() < deadline:
        listening.call(asyncio.sleep(0))
    assert open_descriptors() <= before


def test_a_file_system_that_went_read_only_does_not_keep_the_peers_from_their_answers(listen, monkeypatch):
    entered, go = threading.Event(), threading.Event()

    async def slow(request):
        entered.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        return {"done": True}

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    listening = listen({"slow": slow})
    with ControlClient(listening.path) as client:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.request("slow")))
        asking.start()
        assert entered.wait(10)
        with monkeypatch.context() as patched:
            patched.setattr(os, "unlink", refuse)
            closing = asyncio.run_coroutine_threadsafe(listening.server.close(), listening.loop)
            go.set()
            closing.result(10)
        asking.join(10)
    assert answers == [{"done": True}]
