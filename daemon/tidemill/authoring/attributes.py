"""What Prefect's programs ask of flows and tasks as attributes, and what of their methods is not here."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tidemill.authoring.flow_options import FlowOptions
from tidemill.authoring.hooks import FLOW_HOOKS, TASK_HOOKS
from tidemill.authoring.task_options import TaskOptions
from tidemill.domain.errors import TidemillError

if TYPE_CHECKING:
    from tidemill.authoring.flows import Flow
    from tidemill.authoring.tasks import Task, TaskDefinition

Options = TaskOptions | FlowOptions

_WRITTEN: Final = frozenset(
    {
        "persist_result",
        "result_storage",
        "result_serializer",
        "result_storage_key",
        "log_prints",
        "retry_jitter_factor",
        "retry_condition_fn",
    }
)
"""Options that are told as their author wrote them."""
_OF_TASK: Final = frozenset(
    {"cache_policy", "cache_key_fn", "cache_expiration", "refresh_cache", "task_run_name", "viz_return_value"}
)
_OF_FLOW: Final = frozenset({"flow_run_name"})
_PARSED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "description": lambda options: options.description,
    "tags": lambda options: set(options.tags),
    "version": lambda options: options.version,
    "retries": lambda options: options.retry.max_retries,
    "retry_delay_seconds": lambda options: (
        list(options.retry.delay) if isinstance(options.retry.delay, tuple) else options.retry.delay
    ),
    "timeout_seconds": lambda options: options.timeout,
    "cache_result_in_memory": lambda options: options.keeping.in_memory,
}
_SERVED: Final = "put its file into the watched folder, and give it schedule=cron(…) or every(…)"
_DRAWN: Final = "the command line draws it: tidemill graph FLOW"
_REFUSED: Final = {
    "serve": _SERVED,
    "aserve": _SERVED,
    "deploy": _SERVED,
    "adeploy": _SERVED,
    "to_deployment": _SERVED,
    "ato_deployment": _SERVED,
    "afrom_source": _SERVED,
    "visualize": _DRAWN,
    "avisualize": _DRAWN,
    "generate_mermaid_graph": _DRAWN,
    "agenerate_mermaid_graph": _DRAWN,
}
_BACKGROUND: Final = "there are no background servers here: call .submit() inside a flow, or schedule a flow"
_DECLARED: Final = "outside of flows it declares a step of a graph; call it, or .submit() and .map() it inside a flow"
_REFUSED_OF_TASK: Final = {
    **dict.fromkeys(("delay", "apply_async", "serve", "aserve", "create_run", "create_local_run"), _BACKGROUND),
    **dict.fromkeys(("result", "wait"), _DECLARED),
}


def of_task(task: "Task", definition: "TaskDefinition", name: str) -> Any:
    """Return what *name* means of a task. Raises AttributeError."""
    if name in _REFUSED_OF_TASK:
        return _refusing(f"task {definition.name} has no {name}()", _REFUSED_OF_TASK[name])
    if name == "task_key":
        return f"{definition.place.file}:{definition.name}"
    if name in _OF_TASK:
        return definition.given.get(name)
    return _common(task, task.fn, definition.options, definition.given, name)


def of_flow(flow: "Flow", name: str) -> Any:
    """Return what *name* means of a flow. Raises AttributeError."""
    if name in _REFUSED:
        return _refusing(f"flow {flow.name} has no {name}()", _REFUSED[name])
    options: FlowOptions | None = flow.__dict__.get("options")
    if options is None:
        raise AttributeError(f"a flow without options has no attribute {name!r}")
    if name == "task_runner":
        return options.task_runner
    if name == "should_validate_parameters":
        return options.validate_parameters
    if name in _OF_FLOW:
        return flow.given.get(name)
    return _common(flow, flow.__dict__.get("fn"), options, flow.given, name)


def _common(owner: Any, fn: Any, options: Options, given: Mapping[str, Any], name: str) -> Any:
    if name in _PARSED:
        return _PARSED[name](options)
    if name in _WRITTEN:
        return given.get(name)
    kinds = TASK_HOOKS if isinstance(options, TaskOptions) else FLOW_HOOKS
    if name.endswith("_hooks") and name.removesuffix("_hooks") in kinds:
        return list(options.hooks.get(name.removesuffix("_hooks"), ()))
    if fn is not None:
        if name in ("__name__", "__qualname__"):
            return getattr(fn, name, type(fn).__name__)
        if name == "__wrapped__":
            return fn
        if name in _KINDS:
            return _KINDS[name](fn)
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")


def _source_of(fn: Any) -> str | None:
    import inspect

    try:
        return inspect.getsource(fn)
    except (OSError, TypeError):
        return None


def _flags_of(fn: Any) -> int:
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    return 0 if code is None else int(code.co_flags)


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    # The flags of code objects: coroutine 0x80, async generator 0x200, generator 0x20.
    "isasync": lambda fn: bool(_flags_of(fn) & 0x280),
    "isgenerator": lambda fn: bool(_flags_of(fn) & 0x220),
    "source_code": _source_of,
}


def _refusing(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise TidemillError(f"{what}: {instead}")

    return refuse
