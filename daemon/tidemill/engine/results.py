"""Where the values are kept that tasks and flows return."""

import base64
import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from tidemill.domain.errors import TidemillError
from tidemill.domain.results import ResultInfo
from tidemill.engine.encoding import UnstorableError, decode, encode, look, preview

INLINE_LIMIT: Final = 64 * 1024
"""Bytes up to which a result stands in the history itself."""
NOTHING: Final = ResultInfo("history", None, 4, "null", "json", "null")
"""What is recorded of None, which most tasks return."""
_NO_FILE_NAME: Final = re.compile(r"[^\w.@+-]")


class ResultError(TidemillError):
    """Raised when a result cannot be written or read."""


class ResultPlace(NamedTuple):
    """Whose result it is; handlers name their files with it."""

    flow: str
    run: str
    task: str
    number: int
    """The task's place in the run; -1 for what a function flow itself returned."""
    folder: Path
    """The flow file's folder: relative paths begin here."""


class ResultHandler(Protocol):
    """Keeps values outside of the history."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*, and say where."""

    def read(self, info: ResultInfo) -> Any:
        """Return the value that was kept."""


class LocalResult:
    """Keeps each result in a file of its own below *dir*, which is relative to the flow file's folder.

    >>> @task(result_handler=LocalResult(dir="./results"))
    ... def total(rows): return sum(rows)
    """

    def __init__(self, dir: str | os.PathLike[str] = "results") -> None:
        self.dir = Path(dir)

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Write *value* to its file, whole or not at all."""
        try:
            encoding, data = encode(value)
        except UnstorableError as error:
            raise ResultError(f"the result of {place.task} cannot be written to {self.dir}: {error}") from error
        folder = place.folder / self.dir.expanduser()
        name = _file_name(f"{place.flow}-{place.run}-{place.task}", encoding)
        path = write_file(folder, name, data, place.task)
        return ResultInfo("LocalResult", str(path), len(data), preview(value, encoding, data), encoding)

    def read(self, info: ResultInfo) -> Any:
        """Return the value of a file that was written."""
        return read_file(info)

    def __repr__(self) -> str:
        return f"LocalResult(dir={str(self.dir)!r})"


class HistoryResult:
    """The default: small results travel with the events into the history, large ones become files beside it."""

    def __init__(self, folder: str | os.PathLike[str], inline_limit: int = INLINE_LIMIT) -> None:
        self._folder = folder
        self._inline_limit = inline_limit

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*; one that has no stored form is kept by nobody, and the info says so."""
        if value is None:
            return NOTHING
        try:
            encoding, data = encode(value)
        except UnstorableError:
            return ResultInfo("none", None, 0, look(value), "none")
        if len(data) > self._inline_limit:
            name = _file_name(f"{place.number}-{place.task}", encoding)
            path = write_file(Path(self._folder), name, data, place.task)
            return ResultInfo("file", str(path), len(data), preview(value, encoding, data), encoding)
        text = data.decode() if encoding == "json" else base64.b64encode(data).decode()
        return ResultInfo("history", None, len(data), preview(value, encoding, data), encoding, text)

    def read(self, info: ResultInfo) -> Any:
        """Return the value of a stored result."""
        if info.handler == "none":
            raise ResultError("the result was not kept: it could not be pickled")
        if info.value is None:
            return read_file(info)
        data = info.value.encode() if info.encoding == "json" else base64.b64decode(info.value)
        return decode(info.encoding, data)


def write_file(folder: Path, name: str, data: bytes, task: str) -> Path:
    """Write a file whole or not at all, and return its path."""
    path = Path(os.path.abspath(folder / name))  # noqa: PTH100 - a symlinked folder keeps the name it was given
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise ResultError(f"the result of {task} cannot be written to {path}: {error.strerror}") from error
    return path


def read_file(info: ResultInfo) -> Any:
    """Return the value that the file of *info* holds."""
    try:
        data = Path(info.location or "").read_bytes()
    except OSError as error:
        raise ResultError(f"the result cannot be read from {info.location}: {error.strerror}") from error
    return decode(info.encoding, data)


def _file_name(stem: str, encoding: str) -> str:
    safe = _NO_FILE_NAME.sub("_", stem)[:180]
    return f"{safe}.{'json' if encoding == 'json' else 'pickle'}"
