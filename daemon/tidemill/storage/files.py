"""Files that hold one result each, written whole or not at all."""

import os
import re
from pathlib import Path
from typing import Any, Final

from tidemill.domain.results import ResultInfo
from tidemill.storage.encoding import decode
from tidemill.storage.places import ResultError

_NO_FILE_NAME: Final = re.compile(r"[^\w.@+-]")


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


def file_name(stem: str, encoding: str) -> str:
    """Return a file name made of *stem* that no file system refuses."""
    safe = _NO_FILE_NAME.sub("_", stem)[:180]
    return f"{safe}.{'json' if encoding == 'json' else 'pickle'}"
