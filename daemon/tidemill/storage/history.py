"""Results beside the events that tell of them, which is where they go when nobody says otherwise."""

import base64
import os
from pathlib import Path
from typing import Any, Final

from tidemill.domain.results import ResultInfo
from tidemill.storage.encoding import UnstorableError, decode, encode
from tidemill.storage.files import file_name, read_file, write_file
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.previews import look, preview

INLINE_LIMIT: Final = 64 * 1024
"""Bytes up to which a result stands in the history itself."""
NOTHING: Final = ResultInfo("history", None, 4, "null", "json", "null")
"""What is recorded of None, which most tasks return."""


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
            name = file_name(f"{place.number}-{place.task}", encoding)
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
