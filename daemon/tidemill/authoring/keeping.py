"""What an author may say about where results go; the engine makes a handler of it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tidemill.domain.errors import DefinitionError

SPELLINGS: Final = (
    "result_handler",
    "result_storage",
    "result_serializer",
    "result_storage_key",
    "persist_result",
    "cache_result_in_memory",
)
"""The options that say something about results."""


class Keeping(NamedTuple):
    """Where a result goes, as the author spelled it; every None leaves it to the default, the history."""

    storage: Any = None
    """A handler, a path or a URL."""
    serializer: Any = None
    """A serializer or the name of one."""
    key: str | None = None
    """The template of the name under which it is kept."""
    persist: bool | None = None
    """False: in memory only."""
    in_memory: bool = True
    """False: whoever asks for the value reads it where it is kept."""


BY_DEFAULT: Final = Keeping()


def parse_keeping(options: Mapping[str, Any], owner: str) -> Keeping:
    """Return what *options* say about results, or refuse what cannot be meant."""
    if options.keys().isdisjoint(SPELLINGS):
        return BY_DEFAULT
    handler, storage = options.get("result_handler"), options.get("result_storage")
    if handler is not None and storage is not None:
        raise DefinitionError(f"{owner} has both result_handler and result_storage; give one of them")
    if handler is not None and (isinstance(handler, type) or not callable(getattr(handler, "write", None))):
        raise DefinitionError(
            f"result_handler of {owner} must be a handler such as LocalResult(dir=…), not {handler!r}"
        )
    persist, key = options.get("persist_result"), options.get("result_storage_key")
    in_memory = options.get("cache_result_in_memory")
    for name, value in (("persist_result", persist), ("cache_result_in_memory", in_memory)):
        if value is not None and not isinstance(value, bool):
            raise DefinitionError(f"{name} of {owner} must be true or false; it is {value!r}")
    if key is not None and not isinstance(key, str):
        raise DefinitionError(f"result_storage_key of {owner} must be text; it is {key!r}")
    serializer = options.get("result_serializer")
    return Keeping(handler if handler is not None else storage, serializer, key, persist, in_memory is not False)
