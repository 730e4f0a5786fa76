"""The options of a task: which there are, and what each may be."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tidemill.authoring.hooks import NO_HOOKS, TASK_HOOKS, Hook, parse_hooks
from tidemill.authoring.keeping import BY_DEFAULT, Keeping, parse_keeping
from tidemill.authoring.options import check_names, parse_run_name, parse_tags
from tidemill.authoring.retries import parse_retries, seconds
from tidemill.domain.retries import NO_RETRIES, RetryPolicy

NAMES: Final = (
    "name",
    "description",
    "tags",
    "version",
    "depends_on",
    "condition",
    "parameters",
    "retry",
    "retry_kwargs",
    "retries",
    "retry_delay_seconds",
    "retry_jitter_factor",
    "retry_condition_fn",
    "timeout",
    "timeout_seconds",
    "result_handler",
    "result_storage",
    "result_serializer",
    "result_storage_key",
    "persist_result",
    "cache_policy",
    "cache_key_fn",
    "cache_expiration",
    "cache_result_in_memory",
    "refresh_cache",
    "task_run_name",
    "log_prints",
    "viz_return_value",
    *TASK_HOOKS,
)
_CACHING: Final = frozenset({"cache_policy", "cache_key_fn", "cache_expiration", "refresh_cache", "persist_result"})


class TaskOptions(NamedTuple):
    """How a task is run."""

    description: str = ""
    tags: tuple[str, ...] = ()
    version: str | None = None
    depends_on: tuple[Any, ...] = ()
    """Tasks, classes of tasks and names of tasks."""
    condition: Any = None
    """On what came of the tasks it depends on; None: all of them succeeded."""
    retry: RetryPolicy = NO_RETRIES
    timeout: float | None = None
    """Seconds an attempt may take."""
    keeping: Keeping = BY_DEFAULT
    caching: Any = None
    """When an earlier result stands in for an execution; None: never."""
    run_name: Any = None
    """A template of the task run's name over its arguments, or a function that returns one."""
    hooks: Mapping[str, tuple[Hook, ...]] = NO_HOOKS


def parse_task_options(options: Mapping[str, Any], owner: str, description: str) -> TaskOptions:
    """Return the options of the task called *owner*, or refuse what is not one."""
    check_names(options, NAMES, owner)
    policy, timeout = parse_retries(options, owner)
    for name in ("timeout", "timeout_seconds"):
        if options.get(name) is not None:
            timeout = seconds(options[name], f"{name} of {owner}") or None
    return TaskOptions(
        description=str(options.get("description") or description),
        tags=parse_tags(options.get("tags"), owner),
        version=None if options.get("version") is None else str(options["version"]),
        depends_on=_dependencies(options.get("depends_on")),
        condition=_condition(options.get("condition"), owner),
        retry=policy,
        timeout=timeout,
        keeping=parse_keeping(options, owner),
        caching=_caching(options, owner),
        run_name=parse_run_name(options.get("task_run_name"), f"task_run_name of {owner}"),
        hooks=parse_hooks(options, TASK_HOOKS, owner),
    )


def _condition(given: Any, owner: str) -> Any:
    if given is None:
        return None
    from tidemill.authoring.conditions import parse_condition

    return parse_condition(given, owner)


def _caching(options: Mapping[str, Any], owner: str) -> Any:
    if _CACHING.isdisjoint(options):
        return None
    # Most tasks are not cached, and every flow file would pay for the import.
    from tidemill.authoring.caching import parse_caching

    return parse_caching(options, owner)


def _dependencies(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
