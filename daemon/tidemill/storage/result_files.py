"""Results in files beside the history: those that are too large for it, and those that have a name of their own.

Imported with the first of them.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from tidemill.domain.results import ResultInfo
from tidemill.storage.checksums import checksum, verify
from tidemill.storage.files import link_file, read_file, write_file
from tidemill.storage.patience import Patience, Setback
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.serializers import suffix
from tidemill.storage.templates import NameTemplate

_NAME: Final = NameTemplate("{run}-{index}-{task}", "HistoryResult")
"""A run and those it calls share a folder."""


def path_of(place: ResultPlace, form: str, folder: str | os.PathLike[str], name: NameTemplate | None) -> str:
    """Return the path of a result's file."""
    filled = (name or _NAME).fill(place, suffix(form), datetime.now().astimezone())
    return os.path.abspath(os.path.join(folder, filled))  # noqa: PTH100, PTH118 - a symlinked folder keeps the name it was given


def keep_file(place: ResultPlace, path: str, form: str, data: bytes, seen: str) -> ResultInfo:
    """Write the stored *form* of a result. Raises ResultError."""
    try:
        Patience().attempt(lambda: write_file(Path(path), data), f"the result of {place.task}")
    except Setback as setback:
        raise ResultError(f"the result of {place.task} cannot be written to {path}: {setback.reason}") from setback
    return ResultInfo("file", path, len(data), seen, form, None, checksum(data))


def link_kept(info: ResultInfo, path: str) -> ResultInfo:
    """Give the file of a result one more name, which outlives the other. Raises ResultError."""
    try:
        link_file(Path(info.location or ""), Path(path))
    except Setback as setback:
        raise ResultError(f"{info.location} cannot be kept as {path}: {setback.reason}") from setback
    return info._replace(location=path)


def read_kept(info: ResultInfo) -> bytes:
    """Return the stored form of a result. Raises ResultError where it is gone or damaged."""
    try:
        data = read_file(Path(info.location or ""))
    except Setback as setback:
        raise ResultError(f"the result cannot be read from {info.location}: {setback.reason}") from setback
    verify(info, data)
    return data
