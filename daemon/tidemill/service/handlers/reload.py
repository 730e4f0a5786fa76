"""``reload``: read the settings again and look at every flow file now."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.service.daemon import Daemon
from tidemill.service.telling import that_fit


async def answer(daemon: Daemon, request: Request) -> Message:
    """Answer when all is in force, or how far that is; refuse settings that cannot be used and keep the old ones."""
    restart_needed, is_whole = await daemon.reload()
    errors, left_out = that_fit(daemon.errors())
    return {
        "flows": len(daemon.roster),
        "errors": errors,
        "errors_left_out": left_out,
        "restart_needed": restart_needed,
        "whole": is_whole,
    }
