"""``resume``: let a paused flow's schedules go on."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Resume the flow; moments that passed while it was paused stay recorded as paused."""
    flow = daemon.flow(request.text("flow"))
    changed = await daemon.set_paused(flow, paused=False)
    return {"flow": flow.manifest.name, "paused": False, "changed": changed}
