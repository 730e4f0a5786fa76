"""Hooks: functions of the author's that are called when a run or a task run reaches a state."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tidemill.domain.errors import DefinitionError

Hook = Callable[..., Any]
"""Takes ``(flow, flow_run, state)`` or ``(task, task_run, state)``; may be async."""

TASK_HOOKS: Final = ("on_completion", "on_failure", "on_running", "on_commit", "on_rollback")
FLOW_HOOKS: Final = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")

NO_HOOKS: Final[Mapping[str, tuple[Hook, ...]]] = {}


def parse_hooks(options: Mapping[str, Any], kinds: tuple[str, ...], owner: str) -> Mapping[str, tuple[Hook, ...]]:
    """Return the hooks that *options* name, by kind, or refuse what cannot be called."""
    found: dict[str, tuple[Hook, ...]] = {}
    for kind in kinds:
        given = options.get(kind)
        if given is None:
            continue
        hooks = tuple(given) if isinstance(given, list | tuple) else (given,)
        for hook in hooks:
            if not callable(hook):
                raise DefinitionError(f"{kind} of {owner} must be functions; {hook!r} cannot be called")
        if hooks:
            found[kind] = hooks
    return found or NO_HOOKS


def with_hook(hooks: Mapping[str, tuple[Hook, ...]], kind: str, hook: Hook) -> Mapping[str, tuple[Hook, ...]]:
    """Return *hooks* with one more of a kind."""
    return {**hooks, kind: (*hooks.get(kind, ()), hook)}
