"""``status``: what the daemon is doing."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Answer with the fields of the contract."""
    return daemon.status()
