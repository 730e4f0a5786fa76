"""A task that fails twice and then succeeds: retried up to three times, waiting longer each time."""

import itertools

from tidemill import task

attempts = itertools.count(1)  # every run has its own process, so this starts at 1 in each run


@task(retry_kwargs={"max_retries": 3, "delay": 0.5, "backoff": 2})
def unreliable():
    """Stand in for a service that is sometimes away: tidemill show unreliable@last tells every attempt."""
    attempt = next(attempts)
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt}: the service did not answer")
    return f"attempt {attempt}: the service answered"
