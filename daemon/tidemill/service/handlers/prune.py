"""``prune``: remove what is kept for long enough, now."""

import asyncio

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import ProtocolError
from tidemill.service.daemon import Daemon

PATIENCE = 10.0
"""Seconds between two signs of life."""


async def answer(daemon: Daemon, request: Request) -> Message:
    """Answer with what was removed. A client that goes away does not end it."""
    keep, size = request.number("keep"), request.number("size")
    if (keep is not None and keep < 1) or (size is not None and size < 0):
        raise ProtocolError("prune keeps one run of a flow at least, and takes no negative size")
    pruning = asyncio.ensure_future(
        daemon.caretaking.prune(
            older_than=request.number("older_than"),
            keep=None if keep is None else int(keep),
            size=None if size is None else int(size),
            failed=request.flag("failed"),
        )
    )
    while not (await asyncio.wait({pruning}, timeout=PATIENCE))[0]:
        await request.progress({"pruning": True})
    return pruning.result().document()
