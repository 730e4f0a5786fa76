"""What makes two calls of a task the same call: ``from tidemill.cache_policies import INPUTS, TASK_SOURCE``."""

from tidemill.authoring.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    FlowParameters,
    Inputs,
    RunId,
    TaskSource,
)
from tidemill.authoring.cache_policy import CacheKeyFnPolicy, CachePolicy, CompoundCachePolicy

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NONE",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CacheKeyFnPolicy",
    "CachePolicy",
    "CompoundCachePolicy",
    "FlowParameters",
    "Inputs",
    "RunId",
    "TaskSource",
]
