"""The run of the task that the code is part of: ``task_run.id``, ``task_run.run_count`` and so on."""

from typing import Any

from tidemill.engine.calls.run_contexts import FACTS_OF_TASK_RUN, describe_task_run


def __getattr__(name: str) -> Any:
    return describe_task_run(name)


def __dir__() -> list[str]:
    return FACTS_OF_TASK_RUN
