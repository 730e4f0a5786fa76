"""What is going on where the code runs: ``from tidemill.context import get_run_context, tags``."""

from tidemill.authoring.tagging import tags
from tidemill.authoring.unsupported import missing_from
from tidemill.engine.calls.run_contexts import (
    FlowRunContext,
    MissingContextError,
    TaskRunContext,
    get_run_context,
    with_context,
)

EngineContext = FlowRunContext

__all__ = [
    "EngineContext",
    "FlowRunContext",
    "MissingContextError",
    "TaskRunContext",
    "get_run_context",
    "tags",
    "with_context",
]

__getattr__ = missing_from(__name__)
