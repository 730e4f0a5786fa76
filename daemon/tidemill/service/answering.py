"""An answer in time, also where the history cannot be written: what was asked goes on, and the asker is told so."""

import asyncio
from collections.abc import Callable
from typing import Final

from tidemill.control.protocol import Message
from tidemill.control.requests import Handler, Request
from tidemill.domain.errors import Refused

PATIENCE: Final = 2.0
"""Seconds that a request waits for a history that cannot be written, which may have passed by then."""

_going_on: set[asyncio.Future[Message]] = set()


def in_time(handler: Handler, problem: Callable[[], str | None], patience: float = PATIENCE) -> Handler:
    """Let *handler* be answered for, with what *problem* tells, when that keeps it from answering.

    A handler that has told progress has done what was asked, and waits as long as it takes.
    """

    async def answer(request: Request) -> Message:
        is_told = is_over = False

        async def tell(message: Message) -> None:
            nonlocal is_told
            if is_over:  # nobody listens to it any more
                raise asyncio.CancelledError
            is_told = True
            await request.progress(message)

        handling = asyncio.ensure_future(handler(Request(request.verb, request.args, request.uid, tell)))
        try:
            while not (await asyncio.wait([handling], timeout=None if is_told else patience))[0]:
                if not is_told and (trouble := problem()) is not None:
                    is_over = True
                    _going_on.add(handling)
                    handling.add_done_callback(_forget)
                    raise Refused(
                        f"{trouble}; what was asked is done when the history can be written again, and forgotten if the"
                        " daemon ends before: look what has become of it before asking again"
                    )
        finally:
            if not is_over:
                handling.cancel()
        return handling.result()

    return answer


def _forget(handling: asyncio.Future[Message]) -> None:
    _going_on.discard(handling)
    if not handling.cancelled():
        handling.exception()  # its asker is gone
