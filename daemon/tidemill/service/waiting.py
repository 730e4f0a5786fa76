"""Those who wait for a run to end."""

import asyncio

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.states import State


class Waiters:
    """Futures by run id, resolved when the run's end is durable."""

    def __init__(self) -> None:
        self._futures: dict[str, list[asyncio.Future[State]]] = {}

    def expect(self, uid: str) -> asyncio.Future[State]:
        """Return a future of the run's terminal state; ask before the run can end."""
        future: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(uid, []).append(future)
        return future

    def ended(self, run: ActiveRun) -> None:
        """Tell everybody who waits for *run*."""
        for future in self._futures.pop(run.uid, ()):
            if not future.done():
                future.set_result(run.state)

    def forget(self, uid: str, future: asyncio.Future[State]) -> None:
        """Drop a future that nobody waits for any more."""
        futures = self._futures.get(uid)
        if futures is not None and future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[uid]
