import os
import socket
from pathlib import Path

import pytest

from tidemill.domain.errors import ProtocolError
from tidemill.forkserver import clients, protocol
from tidemill.forkserver.clients import Client
from tidemill.forkserver.protocol import Enclosed, Exited, Hello, Retire


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = Client(ours)
    yield client, theirs
    client.close()
    theirs.close()


def exit_of(number):
    return Exited(f"{number:010d}", number, number, 0, number)


def test_a_request_is_taken(ends):
    client, other = ends
    assert client.receive() is None
    other.send(protocol.encode(Hello()))
    assert client.receive() == (Hello(), [])


def test_an_enclosed_request_is_opened_and_its_file_closed(ends):
    client, other = ends
    memory = protocol.enclose(protocol.encode(Retire()))
    before = len(list(Path("/proc/self/fd").iterdir()))
    protocol.send(other, protocol.encode(Enclosed()), memory)
    assert client.receive() == (Retire(), [])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(memory)


def test_nonsense_with_a_descriptor_leaks_nothing(ends):
    client, other = ends
    before = len(list(Path("/proc/self/fd").iterdir()))
    protocol.send(other, b"nonsense", other.fileno())
    with pytest.raises(ProtocolError):
        client.receive()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not client.gone


def test_a_client_that_vanishes_is_gone(ends):
    client, other = ends
    other.close()
    assert client.receive() is None
    assert client.gone
    client.send(exit_of(1))


def test_a_client_that_does_not_read_gets_all_in_order_later(ends):
    client, other = ends
    sent = 0
    while not client.waits:
        client.send(exit_of(sent))
        sent += 1
    for _ in range(5):
        client.send(exit_of(sent))
        sent += 1
    other.setblocking(False)
    seen = []
    while len(seen) < sent:
        seen.append(protocol.decode_reply(protocol.receive(other)[0]))
        client.flush()
    assert seen == [exit_of(number) for number in range(sent)]
    assert not client.waits


def test_a_client_that_never_reads_is_let_go(ends, monkeypatch):
    client, _ = ends
    monkeypatch.setattr(clients, "OUTBOX_LIMIT", 3)
    for number in range(5000):
        client.send(exit_of(number))
        if client.gone:
            break
    assert client.gone
