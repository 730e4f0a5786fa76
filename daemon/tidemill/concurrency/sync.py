"""``concurrency`` and ``rate_limit`` for ordinary code."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

from tidemill.concurrency.asking import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    asking,
    holding,
)
from tidemill.limits.leases import Lease
from tidemill.limits.turns import Turn

__all__ = ["AcquireConcurrencySlotTimeoutError", "ConcurrencySlotAcquisitionError", "concurrency", "rate_limit"]


@contextmanager
def concurrency(  # noqa: PLR0917 - in the order of Prefect's
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300,
    strict: bool = False,
) -> Iterator[None]:
    """Hold *occupy* slots of each limit in *names* while the block runs; wait for them before.

    A limit that is not in ``[limits]`` of the configuration limits nothing, which the log says once; *strict* raises
    ConcurrencySlotAcquisitionError instead. AcquireConcurrencySlotTimeoutError, a TimeoutError, is raised when the
    slots are not free within *timeout_seconds*, or when they were asked for *max_retries* times again.
    *lease_duration* is taken and has no effect: slots end with the process that holds them, however it ends.

    >>> with concurrency("database", occupy=2, timeout_seconds=60):
    ...     load()
    """
    lease = _wait(asking(names, occupy, strict=strict, timeout=timeout_seconds, tries=max_retries))
    with holding(lease):
        yield


def rate_limit(
    names: str | Sequence[str], occupy: int = 1, timeout_seconds: float | None = None, strict: bool = False
) -> None:
    """Wait until each rate in *names* gives *occupy* slots; they come back with time, ``per_second`` of the limit.

    >>> for page in pages:
    ...     rate_limit("api")
    ...     fetch(page)
    """
    _wait(asking(names, occupy, strict=strict, timeout=timeout_seconds, is_rate=True))


def _wait(steps: Generator[Turn, None, Lease | None]) -> Lease | None:
    with closing(steps):
        while True:
            try:
                turn = next(steps)
            except StopIteration as end:
                lease: Lease | None = end.value
                return lease
            turn.wait()
