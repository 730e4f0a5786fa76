"""``concurrency`` and ``rate_limit`` for code inside an event loop, which goes on while they wait."""

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, closing

from tidemill.concurrency.asking import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    asking,
    holding,
)
from tidemill.limits.leases import Lease
from tidemill.limits.turns import Turn

__all__ = ["AcquireConcurrencySlotTimeoutError", "ConcurrencySlotAcquisitionError", "concurrency", "rate_limit"]


@asynccontextmanager
async def concurrency(  # noqa: PLR0917 - in the order of Prefect's
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300,
    strict: bool = False,
) -> AsyncIterator[None]:
    """Hold *occupy* slots of each limit in *names* while the block runs; what ``sync.concurrency`` says holds here.

    >>> async with concurrency("database"):
    ...     await load()
    """
    lease = await _wait(asking(names, occupy, strict=strict, timeout=timeout_seconds, tries=max_retries))
    with holding(lease):
        yield


async def rate_limit(
    names: str | Sequence[str], occupy: int = 1, timeout_seconds: float | None = None, strict: bool = False
) -> None:
    """Wait until each rate in *names* gives *occupy* slots; what ``sync.rate_limit`` says holds here."""
    await _wait(asking(names, occupy, strict=strict, timeout=timeout_seconds, is_rate=True))


async def _wait(steps: Generator[Turn, None, Lease | None]) -> Lease | None:
    with closing(steps):
        while True:
            try:
                turn = next(steps)
            except StopIteration as end:
                lease: Lease | None = end.value
                return lease
            await turn.passed()
