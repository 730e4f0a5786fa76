"""Where submitted tasks are executed: ``@flow(task_runner=ThreadPoolTaskRunner(max_workers=8))``."""

from tidemill.authoring.unsupported import missing_from
from tidemill.engine.runners.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

ConcurrentTaskRunner = ThreadPoolTaskRunner

__all__ = ["ConcurrentTaskRunner", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]

__getattr__ = missing_from(__name__)
