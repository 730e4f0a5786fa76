"""The command line at a terminal, as a person has it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any


def at_a_terminal(daemon: Any, *arguments: str, interrupt: str | None = None) -> tuple[int, str]:
    """Run the CLI in a terminal of 80 columns; press Ctrl-C once *interrupt* is seen."""
    leader, follower = pty.openpty()
    environment = {**daemon.environment, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tidemill", *arguments],
        env=environment, cwd=daemon.folder, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            seen += piece
            if interrupt and interrupt.encode() in seen:
                process.send_signal(signal.SIGINT)
                interrupt = None
        elif process.poll() is not None:
            break
    os.close(leader)
    return process.wait(30), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
