import os
import socket
from array import array
from pathlib import Path

import pytest

from tidemill.domain.errors import ProtocolError
from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask, InspectionOrder, RunOrder
from tidemill.forkserver import protocol
from tidemill.forkserver.protocol import (
    MESSAGE_LIMIT,
    Enclosed,
    Exited,
    Failed,
    Floor,
    Floors,
    Hello,
    Inspect,
    Inspected,
    LiveRun,
    Refused,
    Retire,
    Start,
    Started,
    Welcome,
)

ORDER = RunOrder(
    run="k3f0000000",
    flow="nightly",
    path="/flows/nightly.py",
    sources={"/flows/nightly.py": "/state/sources/ab/ab.py"},
    root="/flows",
    journal="/state/journals/k3/k3f0000000.journal",
    log="/state/logs/k3/k3f0000000.log",
    results_dir="/state/results/k3/k3f0000000",
    parameters={"n": 1, "deep": [{"a": None}], "text": "ü"},
    resume=(FinishedTask(0, "extract", ResultInfo("history", None, 4, "null")), FinishedTask(1, "x", None)),
    timeout=2.5,
    environment={"A": "b"},
)
REQUESTS = [Hello(), Start(ORDER), Inspect(InspectionOrder("/flows/a.py", "/flows")), Retire(), Floor(3), Enclosed()]
REPLIES = [
    Welcome("print", 7, (LiveRun("k3f0000000", 8, 9),), True, ("a problem",)),
    Started("k3f0000000", 8, 9),
    Failed("k3f0000000", "no"),
    Exited("k3f0000000", 8, 9, -11, 10),
    Inspected(3, True),
    Floors([0.5]),
    Refused("what?"),
]


@pytest.fixture
def pair():
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda message: type(message).__name__)
def test_a_request_arrives_as_it_was(request_):
    assert protocol.decode_request(protocol.encode(request_)) == request_


@pytest.mark.parametrize("reply", REPLIES, ids=lambda message: type(message).__name__)
def test_a_reply_arrives_as_it_was(reply):
    assert protocol.decode_reply(protocol.encode(reply)) == reply


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"type":"Dance"}', b'{"type":"Start"}', b"\xff\xfe", b"\0" * 9]
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ProtocolError):
        protocol.decode_request(data)
    with pytest.raises(ProtocolError):
        protocol.decode_reply(data)


def test_an_order_that_json_cannot_hold_is_refused_before_it_is_sent():
    with pytest.raises(ProtocolError, match="Start"):
        protocol.encode(Start(RunOrder("r", "f", "p", {}, "r", "j", "l", "d", parameters={"x": object()})))


def test_a_descriptor_comes_along_closed_on_exec(pair):
    memory = protocol.enclose(b"inside")
    protocol.send(pair[0], b"outside", memory)
    os.close(memory)
    data, (fd,) = protocol.receive(pair[1])
    assert data == b"outside"
    assert not os.get_inheritable(fd)
    assert protocol.open_enclosed(fd) == b"inside"
    os.close(fd)


def test_the_end_of_a_connection_is_no_message(pair):
    pair[0].close()
    assert protocol.receive(pair[1]) is None


def test_a_message_over_the_limit_is_refused_whole(pair):
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    pair[0].send(b"x" * (MESSAGE_LIMIT + 100))
    pair[0].send(b"next")
    with pytest.raises(ProtocolError):
        protocol.receive(pair[1])
    assert protocol.receive(pair[1]) == (b"next", [])


def test_more_descriptors_than_expected_leak_nowhere(pair):
    before = len(list(Path("/proc/self/fd").iterdir()))
    fds = array("i", [pair[0].fileno()] * 20)
    pair[0].sendmsg([b"many"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    with pytest.raises(ProtocolError):
        protocol.receive(pair[1])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_enclosure_has_a_limit(monkeypatch):
    monkeypatch.setattr(protocol, "ENCLOSED_LIMIT", 10)
    fd = protocol.enclose(b"x" * 11)
    with pytest.raises(ProtocolError):
        protocol.open_enclosed(fd)
    os.close(fd)
