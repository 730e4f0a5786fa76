import os
import socket

import pytest

from tidemill.service.systemd import Notifier


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield str(tmp_path / "notify"), listener


def test_readiness_names_the_main_process(manager):
    address, listener = manager

    Notifier(address).ready("3 flows")

    assert listener.recv(1000).decode().split("\n") == ["READY=1", "STATUS=3 flows", f"MAINPID={os.getpid()}"]


def test_every_message_is_its_own(manager):
    address, listener = manager
    notifier = Notifier(address)

    notifier.status("busy")
    notifier.alive()
    notifier.stopping("draining")

    assert [listener.recv(1000).decode() for _ in range(3)] == [
        "STATUS=busy",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=draining",
    ]


def test_without_a_manager_nothing_is_said_and_nothing_breaks():
    Notifier(None).ready("alone")


def test_a_manager_that_went_away_breaks_nothing(tmp_path):
    Notifier(str(tmp_path / "gone")).alive()


def test_nothing_of_the_manager_is_left_for_child_processes(monkeypatch):
    for name, value in (("NOTIFY_SOCKET", "/run/x"), ("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", str(os.getpid()))):
        monkeypatch.setenv(name, value)

    notifier = Notifier.from_environment()

    assert notifier.watchdog_interval == 10
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()


def test_another_process_is_watched_not_us(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")

    assert Notifier.from_environment().watchdog_interval is None
