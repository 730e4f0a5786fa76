"""S1, S2, S3: who can reach the daemon, who is heard, and what noise does to it."""

import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.service.handlers import VERBS

HARMLESS = sorted(set(VERBS) - {"stop"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "run",
        "flow",
        "parameters",
        "timeout",
        "task",
        "uid",
        "path",
        "paths",
        "bounds",
        "wait",
        "low",
        "high",
        "limit",
        "",
    ]
)
ID = st.sampled_from(
    ["small", "../../etc/passwd", "a\0b", "%2f..", "-x", "0123456789\n", "é" * 300, "last", "", "0123456789"]
)


def frame(body):
    return len(body).to_bytes(4, "big") + body


def talk(path, data):
    """Say something and hang up; return what was answered at once."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer
    return b""


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_s1_the_socket_is_for_the_owner_alone_and_nothing_listens_anywhere_else(daemon):
    daemon.start()
    pid = daemon.status()["pid"]

    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700
    for name in ("control.sock", "forkserver.sock"):
        assert stat.S_IMODE((daemon.state / name).stat().st_mode) == 0o600
    processes = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    inodes = set()
    for process in processes:
        for fd in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(fd).removeprefix("socket:[").rstrip("]"))  # noqa: PTH115
    for table in ("tcp", "tcp6", "udp", "udp6", "raw"):
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        assert not [line for line in lines if line.split()[9] in inodes], f"a socket of {table}"
    unix = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
    assert not [line for line in unix if line[6] in inodes and line[7:] and line[7].startswith("@")], "an abstract one"


NOISE = st.one_of(
    st.binary(max_size=200),
    st.builds(frame, st.binary(max_size=200)),
    st.builds(lambda size: size.to_bytes(4, "big") + b"{", st.integers(0, 2**32 - 1)),
)
SHORT = settings(max_examples=150, deadline=None)


def ask(path, verb, args):
    greeting = json.dumps({"protocol": 1}).encode()
    answer = talk(path, frame(greeting) + frame(json.dumps({"verb": verb, "args": args}).encode()))
    assert b"Traceback" not in answer


def test_s3_no_noise_and_no_request_ends_the_daemon_or_leaks_or_imports(daemon):
    """Every verb with every kind of nonsense: it answers, holds no descriptor more, and runs on."""
    daemon.drop("small.py", "from tidemill import flow\n\n@flow\ndef small():\n    pass\n")
    daemon.start()
    daemon.until_flow("small")
    pid, path = daemon.status()["pid"], daemon.state / "control.sock"
    ask(path, "status", {})  # whatever is imported late is imported now
    before, mapped = descriptors(pid), _libraries(pid)

    @SHORT
    @given(noise=NOISE)
    def make_noise(noise):
        talk(path, noise)

    @SHORT
    @given(verb=st.sampled_from(HARMLESS) | st.text(max_size=20), args=st.dictionaries(NAMES, VALUES | ID, max_size=4))
    def make_requests(verb, args):
        ask(path, verb, args)

    make_noise()
    make_requests()

    daemon.until(lambda: descriptors(pid) <= before + 2, "the descriptors are given back")
    assert _libraries(pid) == mapped
    assert daemon.run("small")["state"] == "completed"
    assert "Traceback" not in daemon.log.read_text()


def _libraries(pid):
    """Return the extension modules that are loaded; one more would have been imported by a message."""
    return {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if ".so" in line}
