"""Tasks under the name that Prefect's users know: ``from tidemill.tasks import task, exponential_backoff``."""

from tidemill import Task, task
from tidemill.authoring.backoff import exponential_backoff
from tidemill.authoring.cache_policies import task_input_hash
from tidemill.authoring.unsupported import missing_from

__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]

__getattr__ = missing_from(__name__)
