"""The options of a task: which there are, and what each may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidemill.authoring.naming import did_you_mean
from tidemill.authoring.retries import parse_retries, seconds
from tidemill.domain.errors import DefinitionError
from tidemill.domain.retries import NO_RETRIES, RetryPolicy

NAMES: Final = (
    "name",
    "description",
    "tags",
    "version",
    "depends_on",
    "parameters",
    "retry",
    "retry_kwargs",
    "retries",
    "retry_delay_seconds",
    "retry_jitter_factor",
    "timeout",
    "timeout_seconds",
    "result_handler",
    "log_prints",
)


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is run."""

    description: str = ""
    tags: tuple[str, ...] = ()
    version: str | None = None
    depends_on: tuple[Any, ...] = ()
    """Tasks, classes of tasks and names of tasks."""
    retry: RetryPolicy = NO_RETRIES
    timeout: float | None = None
    """Seconds an attempt may take."""
    result_handler: Any = None
    """None: the history keeps the result."""


def parse_task_options(options: Mapping[str, Any], owner: str, description: str) -> TaskOptions:
    """Return the options of the task called *owner*, or refuse what is not one."""
    check_names(options, NAMES, owner)
    policy, timeout = parse_retries(options, owner)
    for name in ("timeout", "timeout_seconds"):
        if options.get(name) is not None:
            timeout = seconds(options[name], f"{name} of {owner}")
    return TaskOptions(
        description=str(options.get("description") or description),
        tags=parse_tags(options.get("tags"), owner),
        version=None if options.get("version") is None else str(options["version"]),
        depends_on=_dependencies(options.get("depends_on")),
        retry=policy,
        timeout=timeout,
        result_handler=parse_handler(options.get("result_handler"), owner),
    )


def check_names(options: Mapping[str, Any], known: tuple[str, ...], owner: str) -> None:
    """Refuse an option that does not exist, with the nearest that does."""
    for name in options:
        if name not in known:
            raise DefinitionError(f"{owner} has no option {name!r}{did_you_mean(name, known)}")


def parse_tags(tags: Any, owner: str) -> tuple[str, ...]:
    """Return tags as a sorted tuple, or refuse what is not text."""
    if not tags:
        return ()
    given = (tags,) if isinstance(tags, str) else tuple(tags)
    if not all(isinstance(tag, str) for tag in given):
        raise DefinitionError(f"tags of {owner} must be text; they are {tags!r}")
    return tuple(sorted(set(given)))


def parse_handler(handler: Any, owner: str) -> Any:
    """Return a result handler, or refuse what cannot keep results."""
    if handler is None or (callable(getattr(handler, "write", None)) and not isinstance(handler, type)):
        return handler
    raise DefinitionError(f"result_handler of {owner} must be a handler such as LocalResult(dir=…), not {handler!r}")


def parse_name(name: Any, what: str) -> str:
    """Return a name that can be typed, shown and looked up, or refuse it."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 200:
        raise DefinitionError(f"the name of a {what} must be 1 to 200 printable characters; it is {name!r}")
    return name.strip()


def _dependencies(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
