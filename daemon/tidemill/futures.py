"""Waiting for submitted tasks: ``from tidemill.futures import as_completed, wait``."""

from tidemill.engine.calls.arguments import with_states as resolve_futures_to_states
from tidemill.engine.calls.future_lists import DoneAndNotDone as DoneAndNotDoneFutures
from tidemill.engine.calls.future_lists import FutureList, as_completed, wait
from tidemill.engine.calls.futures import Future

PrefectFuture = Future
PrefectFutureList = FutureList

__all__ = [
    "DoneAndNotDoneFutures",
    "Future",
    "FutureList",
    "PrefectFuture",
    "PrefectFutureList",
    "as_completed",
    "resolve_futures_to_states",
    "wait",
]
