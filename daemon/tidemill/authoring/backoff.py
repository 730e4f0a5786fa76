"""Delays between attempts that grow, as a value for ``retry_delay_seconds``."""

from collections.abc import Callable

from tidemill.domain.retries import MOST_DELAYS


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return delays of 1, 2, 4, 8… times *backoff_factor* seconds, one for each retry; numbers as Prefect's.

    >>> exponential_backoff(backoff_factor=10)(3)
    [10, 20, 40]
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(min(retries, MOST_DELAYS))]

    return delays
