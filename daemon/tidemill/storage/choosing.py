"""Makes one handler of what an author said, in our words or in Prefect's."""

import os
from typing import Any, Final, Protocol

from tidemill.domain.errors import DefinitionError
from tidemill.storage.local import LocalResult

_BLOCKS: Final = {
    "local-file-system": "file:///var/lib/results",
    "remote-file-system": "s3://bucket/prefix",
    "s3-bucket": "s3://bucket/prefix",
    "gcs-bucket": "gs://bucket/prefix",
    "azure-blob-storage-container": "az://container/prefix",
}
"""Kinds of blocks that Prefect's users keep results in, and what says the same here."""


class Wish(Protocol):
    """What an author said of where a result goes; every None leaves it to somebody else."""

    @property
    def storage(self) -> Any:
        """A handler, a path or a URL."""

    @property
    def serializer(self) -> Any:
        """A serializer or the name of one."""

    @property
    def key(self) -> str | None:
        """The template of the name under which it is kept."""


def choose_handler(wish: Wish, default: Any, owner: str, outer: Wish | None = None) -> Any:
    """Return the handler that keeps the results of *owner*.

    What *wish* does not say is said by *outer*, the flow around a task; what nobody says, by *default*, which may be
    nothing but memory and then heeds no serializer and no name. Raises DefinitionError for what cannot be meant.
    """
    storage = wish.storage if wish.storage is not None or outer is None else outer.storage
    handler = default if storage is None else handler_of(storage, owner)
    serializer = wish.serializer
    if serializer is None and outer is not None and getattr(handler, "serializer", None) is None:
        serializer = outer.serializer
    if storage is None and not hasattr(default, "but"):
        return handler
    if serializer is not None:
        handler = _but(handler, owner, "result_serializer", serializer=serializer)
    if wish.key is not None:
        handler = _but(handler, owner, "result_storage_key", name=wish.key)
    return handler


def handler_of(storage: Any, owner: str) -> Any:
    """Return the handler that a path or a URL stands for; a handler stands for itself. Raises DefinitionError."""
    if not isinstance(storage, type) and callable(getattr(storage, "write", None)):
        return storage
    if isinstance(storage, os.PathLike):
        return LocalResult(storage)
    if not isinstance(storage, str) or not storage.strip():
        raise DefinitionError(
            f"result_storage of {owner} must be a handler such as LocalResult(dir=…), a path or a URL, not {storage!r}"
        )
    scheme, separator, rest = storage.partition("://")
    if not separator:
        _refuse_block(storage, owner)
        return LocalResult(storage)
    if scheme == "file":
        return LocalResult(rest)
    try:
        if scheme.partition("+")[0] in ("postgresql", "postgres", "sqlite"):
            from tidemill.storage.database import DatabaseResult

            return DatabaseResult(storage)
        from tidemill.storage.cloud import CloudResult

        return CloudResult(storage)
    except DefinitionError as error:
        raise DefinitionError(f"result_storage of {owner}: {error}") from error


def _refuse_block(storage: str, owner: str) -> None:
    kind, _, name = storage.partition("/")
    if kind in _BLOCKS and name:
        raise DefinitionError(
            f"result_storage of {owner} is the block {storage} of a Prefect server, and there is none; give a URL such"
            f" as {_BLOCKS[kind]}, or the path ./{storage}"
        )


def _but(handler: Any, owner: str, option: str, **changes: Any) -> Any:
    change = getattr(handler, "but", None)
    if change is None:
        raise DefinitionError(f"{option} of {owner} cannot be heeded: {type(handler).__name__} takes none")
    try:
        return change(**changes)
    except DefinitionError as error:
        raise DefinitionError(f"{option} of {owner}: {error}") from error
