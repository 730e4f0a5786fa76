"""Waiting for submitted tasks: ``from tidemill.futures import as_completed, wait``."""

from typing import Any

from tidemill.authoring.unsupported import missing_from
from tidemill.engine.calls.arguments import promises_in, with_results
from tidemill.engine.calls.arguments import with_states as resolve_futures_to_states
from tidemill.engine.calls.future_lists import DoneAndNotDone as DoneAndNotDoneFutures
from tidemill.engine.calls.future_lists import FutureList, as_completed, wait
from tidemill.engine.calls.futures import Future

PrefectFuture = PrefectConcurrentFuture = PrefectTaskRunFuture = PrefectWrappedFuture = Future
PrefectFutureList = FutureList

__all__ = [
    "DoneAndNotDoneFutures",
    "Future",
    "FutureList",
    "PrefectConcurrentFuture",
    "PrefectFuture",
    "PrefectFutureList",
    "PrefectTaskRunFuture",
    "PrefectWrappedFuture",
    "as_completed",
    "resolve_futures_to_results",
    "resolve_futures_to_states",
    "wait",
]

__getattr__ = missing_from(__name__)


def resolve_futures_to_results(value: Any) -> Any:
    """Return *value* with every future in it, whatever holds it, replaced by its result; raise what one raised."""
    for future, _ in promises_in(value):
        future.result()
    return with_results(value)
