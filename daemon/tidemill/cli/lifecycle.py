"""Starting and stopping the daemon from outside of it."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.cli.invocation import Invocation
from tidemill.cli.programs import program
from tidemill.control.answers import error_of
from tidemill.control.client import ControlClient
from tidemill.domain.errors import DaemonNotRunning, Refused


def start_daemon(invocation: Invocation) -> int:
    """Start a daemon in the background and return its pid when it is ready, or say why there is none."""
    # Settings that cannot be used are refused here, before anything is detached.
    _ = invocation.settings
    done = subprocess.run(
        program("tidemill.service", "--detach", invocation=invocation), stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        told = done.stderr.strip().splitlines()
        sentence = told[-1].removeprefix("tidemill: ") if told else f"the daemon ended with {done.returncode}"
        raise error_of(done.returncode, sentence)
    return int(invocation.client.request("ping", timeout=30.0)["pid"])


def stop_daemon(invocation: Invocation, *, drain: bool, cancel: bool, patience: float | None) -> int:
    """Stop the daemon, wait until it is gone, and return how many live runs it had.

    *patience* is how many seconds to wait; None: as long as it takes.
    """
    client = invocation.client
    with _process(int(client.request("ping")["pid"])) as process:
        answer = client.request("stop", drain=drain, cancel=cancel)
        if not _has_ended(process, client, patience):
            raise Refused(
                f"the daemon was asked to stop and is still there after {patience:g} s; look with: tidemill status"
            )
    client.close()
    return int(answer.get("live_runs", 0))


def is_running(invocation: Invocation) -> bool:
    """Tell whether a daemon answers."""
    try:
        invocation.client.request("ping")
    except DaemonNotRunning:
        return False
    except Refused:
        pass  # It is there, though not for us.
    return True


@contextmanager
def _process(pid: int) -> Iterator[int | None]:
    """Give a descriptor of the process, opened while it surely lives; None where it cannot be seen from here."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        yield None
        return
    try:
        yield process
    finally:
        os.close(process)


def _has_ended(process: int | None, client: ControlClient, patience: float | None) -> bool:
    """Wait for the end of the process, or for the daemon to hang up where we cannot see its process."""
    if process is None:
        return client.wait_for_end(patience if patience is not None else 1e9)
    waiting = select.poll()
    waiting.register(process, select.POLLIN)
    return bool(waiting.poll(None if patience is None else patience * 1000))
