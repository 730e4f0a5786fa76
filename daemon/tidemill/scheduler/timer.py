"""APScheduler, reduced to a clock: its thread, its sorted store and its sleep; nothing of its policies."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from tidemill.scheduler.moments import Moments

HEARTBEAT = 1.0
"""Seconds it sleeps at most. It sleeps on the monotonic clock towards a time of the wall clock, so this
bounds how long a stepped clock or a suspended machine goes unnoticed. It costs 0.02 % of a processor."""


class HandOff(BaseExecutor):  # type: ignore[misc]
    """Receives every due job in the clock's own thread and passes its moments on."""

    def __init__(self, hand_over: Callable[[Moments], None]) -> None:
        super().__init__()
        self._hand_over = hand_over

    def submit_job(self, job: Job, run_times: list[datetime]) -> None:
        """Pass the moments on, without counting instances: a count that only grows ends in refusals."""
        self._do_submit_job(job, run_times)

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        self._hand_over(job.trigger)


class Timer(BackgroundScheduler):  # type: ignore[misc]
    """A thread that wakes for every due job, and at least once a heartbeat."""

    def __init__(
        self, hand_over: Callable[[Moments], None], *, before: Callable[[], bool], after: Callable[[], None]
    ) -> None:
        super().__init__(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": HandOff(hand_over)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._before = before
        logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of every job added and every look
        self._after = after

    def put(self, moments: Moments) -> None:
        """Add the schedule, or replace it."""
        start = moments.next_start
        if start is None:
            self.drop(moments.schedule_id)
            return
        self.add_job(_due, moments, id=str(moments.schedule_id), next_run_time=start, replace_existing=True)

    def drop(self, schedule_id: int) -> None:
        """Remove the schedule, if it is there."""
        try:
            self.remove_job(str(schedule_id))
        except JobLookupError:
            return

    def _process_jobs(self) -> float:
        more = self._before()
        wait: Any = None
        try:
            wait = super()._process_jobs()
        except JobLookupError:
            if self.running:
                raise
            # Stopped in the middle of its walk: it looks for the finished job where a stopped scheduler keeps them.
        self._after()
        return 0.0 if more else min(HEARTBEAT, HEARTBEAT if wait is None else wait)


def _due() -> None:
    """Stand in for a job's function, which APScheduler wants and nobody calls."""
