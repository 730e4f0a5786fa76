"""The run of the flow that the code is part of: ``flow_run.id``, ``flow_run.parameters`` and so on."""

from typing import Any

from tidemill.engine.calls.run_contexts import FACTS_OF_FLOW_RUN, describe_flow_run


def __getattr__(name: str) -> Any:
    return describe_flow_run(name)


def __dir__() -> list[str]:
    return FACTS_OF_FLOW_RUN
