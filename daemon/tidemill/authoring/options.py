"""What the options of tasks and of flows have in common."""

from collections.abc import Mapping
from typing import Any, Final

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError

_FAMILIES: Final = (
    (
        {"retry", "retry_kwargs"},
        {"retries", "retry_delay_seconds", "retry_jitter_factor", "retry_condition_fn"},
    ),
    ({"timeout"}, {"timeout_seconds"}),
    ({"result_handler"}, {"result_storage"}),
    ({"schedule"}, {"schedules"}),
    ({"cache_key_fn"}, {"cache_policy"}),
)
"""Two spellings of the same thing; who gives one takes back the other."""


_TAKEN_BACK: Final = frozenset(
    {
        "cache_policy",
        "flow_run_name",
        "persist_result",
        "refresh_cache",
        "result_handler",
        "result_serializer",
        "result_storage",
        "result_storage_key",
        "retry_jitter_factor",
        "task_run_name",
    }
)
"""Options for which None says something: none any more."""


def merge_options(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return *old* options changed by *new* ones; None says nothing, or takes the option back where it can be meant."""
    given = {name: value for name, value in new.items() if value is not None}
    kept = {name: value for name, value in old.items() if not (name in _TAKEN_BACK and name in new)}
    for family in _FAMILIES:
        for mine, others in (family, family[::-1]):
            if mine & given.keys():
                kept = {name: value for name, value in kept.items() if name not in others}
    return {**kept, **given}


def check_names(options: Mapping[str, Any], known: tuple[str, ...], owner: str) -> None:
    """Refuse an option that does not exist, with the nearest that does."""
    for name in options:
        if name in UNSUPPORTED:
            raise DefinitionError(f"{owner} has the option {name}, which is not supported: {UNSUPPORTED[name]}")
        if name not in known:
            raise DefinitionError(f"{owner} has no option {name!r}{did_you_mean(name, known)}")


UNSUPPORTED: Final = {
    "asset_deps": "there are no assets here; name what comes before with depends_on or wait_for",
}
"""Options of Prefect's that are not supported, and what to do instead."""


def parse_tags(tags: Any, owner: str) -> tuple[str, ...]:
    """Return tags as a sorted tuple, or refuse what is not text."""
    if not tags:
        return ()
    given = (tags,) if isinstance(tags, str) else tuple(tags)
    if not all(isinstance(tag, str) for tag in given):
        raise DefinitionError(f"tags of {owner} must be text; they are {tags!r}")
    return tuple(sorted(set(given)))


def parse_name(name: Any, what: str) -> str:
    """Return a name that can be typed, shown and looked up, or refuse it."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 200:
        raise DefinitionError(f"the name of a {what} must be 1 to 200 printable characters; it is {name!r}")
    return name.strip()


def parse_run_name(given: Any, what: str) -> Any:
    """Return what names a run: a template or a function without arguments; refuse anything else."""
    if given is None or isinstance(given, str) or callable(given):
        return given
    raise DefinitionError(f"{what} must be a text such as 'load-{{day}}' or a function; it is {given!r}")
