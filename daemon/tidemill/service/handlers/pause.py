"""``pause``: hold a flow's schedules back."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Pause the flow; pausing a paused one changes nothing and says so."""
    flow = daemon.flow(request.text("flow"))
    changed = await daemon.set_paused(flow, paused=True)
    return {"flow": flow.manifest.name, "paused": True, "changed": changed}
