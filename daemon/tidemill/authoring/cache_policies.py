"""Policies: what makes two calls of a task the same call, so that the result of one stands in for the other.

A policy computes a key; policies are added with ``+``, and an input is left out with ``INPUTS - "name"``. Names and
meanings are Prefect's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tidemill.authoring.cache_policy import CachePolicy, NoCache, changed
from tidemill.authoring.hashing import UnhashableError, hash_value
from tidemill.authoring.source_text import source_hash


@dataclass
class Inputs(CachePolicy):
    """The arguments of the call, defaults among them, except those that are left out. None for a task that has none."""

    exclude: Iterable[str] = ()

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return a hash of the inputs; raise ValueError for one that has none."""
        if not inputs:
            return None
        counted = {name: value for name, value in inputs.items() if name not in self.exclude}
        return hash_value({name: _hash_input(name, value) for name, value in counted.items()})

    def __sub__(self, other: Any) -> CachePolicy:
        super().__sub__(other)
        return changed(self, {"exclude": sorted({*self.exclude, other})})

    def absorb(self, other: CachePolicy) -> CachePolicy | None:
        """Return the inputs that neither of both leaves out."""
        if not isinstance(other, Inputs):
            return None
        return changed(self, {"exclude": sorted({*self.exclude, *other.exclude})})


@dataclass
class TaskSource(CachePolicy):
    """The text of the task's own function or class, decorators and comments in it included; not what it calls."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return a hash of the source."""
        return None if task_ctx is None else source_hash(task_ctx.task)


@dataclass
class FlowParameters(CachePolicy):
    """The parameters of the run that the task is part of. None for a run that has none."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return a hash of the parameters; raise ValueError for one that has none."""
        if not flow_parameters:
            return None
        try:
            return hash_value(flow_parameters)
        except UnhashableError as error:
            raise ValueError(f"a parameter of the flow has no hash: {error}") from error


@dataclass
class RunId(CachePolicy):
    """The id of the run that the task is part of: what one run cached, no other takes."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the run's id."""
        return None if task_ctx is None else str(task_ctx.flow_run_id or task_ctx.task_run_id)


def _hash_input(name: str, value: Any) -> str:
    try:
        return hash_value(value)
    except UnhashableError as error:
        raise ValueError(
            f"the argument {name!r} cannot be part of a cache key ({error}); leave it out with: INPUTS - '{name}'"
        ) from error


INPUTS: Final = Inputs()
TASK_SOURCE: Final = TaskSource()
FLOW_PARAMETERS: Final = FlowParameters()
RUN_ID: Final = RunId()
NO_CACHE: Final = NoCache()
NONE: Final = NO_CACHE
DEFAULT: Final = INPUTS + TASK_SOURCE + RUN_ID
"""What Prefect means by caching when nothing else is said: the same call, in the same run."""


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """Return a key of the task and its arguments, to be given as ``cache_key_fn``; raise ValueError where none is."""
    hashed = {name: _hash_input(name, value) for name, value in arguments.items()}
    return hash_value([context.task.name, source_hash(context.task), hashed])
